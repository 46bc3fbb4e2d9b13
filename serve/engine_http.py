"""HTTP to the engine. A connection that breaks or stays silent becomes an error of ours here."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

from webui_async.contract.errors import EngineReplyError

_CONNECT_TIMEOUT_S = 10.0
#: uvicorn, and so the webui, closes a connection that was idle for 5 s. A POST may not be on its way then.
_KEEP_ALIVE_S = 2.0
#: An answer that is larger is read with pauses.
_BUFFER_BYTES = 16 << 20
#: gzip would only undo base64, at a cost.
_HEADERS = {"Accept-Encoding": "identity"}


class ConnectionLost(EngineReplyError):
    """The connection to the engine broke: it has died, or is about to."""


class EngineSilent(EngineReplyError):
    """The engine did not answer in time."""


@dataclass(frozen=True)
class HttpAnswer:
    """One answer of the engine, as it came."""

    place: str  #: the method and the path that it answers
    status: int
    content_type: str
    body: bytes


class EngineHttp(Protocol):
    """How an Engine asks."""

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None, timeout_s: float | None
    ) -> HttpAnswer:
        """The whole answer, within `timeout_s` if that is given. Raises ConnectionLost and EngineSilent."""


@asynccontextmanager
async def open_http(port: int) -> AsyncIterator[EngineHttp]:
    """HTTP to the engine on this machine, past any proxy, over connections that are kept."""
    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{port}",
        connector=aiohttp.TCPConnector(keepalive_timeout=_KEEP_ALIVE_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_HEADERS,
        read_bufsize=_BUFFER_BYTES,
    ) as session:
        yield _Session(session)


class _Session:
    """EngineHttp on aiohttp."""

    def __init__(self, session: aiohttp.ClientSession):
        self._session = session

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None, timeout_s: float | None
    ) -> HttpAnswer:
        place = f"{method} {path.partition('?')[0]}"
        timeout = aiohttp.ClientTimeout(timeout_s, sock_connect=_CONNECT_TIMEOUT_S)
        try:
            # The engine is other people's code: where it redirects to, only we could go.
            async with self._session.request(
                method, path, data=_encode(body), timeout=timeout, allow_redirects=False
            ) as response:
                return HttpAnswer(place, response.status, response.content_type, await response.read())
        except TimeoutError as error:
            raise EngineSilent(f"the engine did not answer {place} in time") from error
        except aiohttp.ClientError as error:
            raise ConnectionLost(
                f"the connection to the engine broke at {place}: {type(error).__name__}"
            ) from error


def _encode(body: Mapping[str, Any] | None) -> aiohttp.BytesIOPayload | None:
    """JSON as a file: pictures make it large, and aiohttp sends a file in pieces."""
    if body is None:
        return None
    return aiohttp.BytesIOPayload(io.BytesIO(json.dumps(body).encode()), content_type="application/json")
