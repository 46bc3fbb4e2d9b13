"""API Gateway's data plane: HTTP in, routes and keys by the template, functions asked, HTTP out."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as HttpRoute

from webui_async.local.deployed import Api
from webui_async.local.errors import FunctionFailed, StackError
from webui_async.local.metering import Metering
from webui_async.local.proxy import (
    Incoming,
    MalformedAnswer,
    Outgoing,
    answer_of,
    event_of,
    is_binary_type,
    match,
)
from webui_async.local.refusals import Refused, refuse

log = logging.getLogger(__name__)

#: API Gateway's own bounds, and Lambda's for an event.
MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_EVENT_BYTES = 6 * 1024 * 1024
INTEGRATION_TIMEOUT_S = 29.0
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]

Invoke = Callable[[str, Any], Any]


class Gateway:
    """Every stage of the template's APIs, served on one loopback socket."""

    def __init__(self, listener: socket.socket, now: Callable[[], float] = time.time):
        self._listener, self.now = listener, now
        self.port: int = listener.getsockname()[1]
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._asking = ThreadPoolExecutor(max_workers=64, thread_name_prefix="gateway")

    def start(self, stages: Mapping[str, Api], metering: Metering, invoke: Invoke) -> None:
        """Serve, from a thread of its own, until `stop`.

        invoke: function name, event -> result; raises FunctionFailed.
        """

        async def handle(request: Request) -> Response:
            incoming = await self._read(request)
            answer = await self._answer(incoming, stages, metering, invoke)
            response = Response(answer.body, answer.status)
            response.raw_headers += [
                (name.encode(), value.encode("latin-1", "replace")) for name, value in answer.headers
            ]
            return response

        app = Starlette(routes=[HttpRoute("/{path:path}", handle, methods=_METHODS)])
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_keep_alive=75,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        run = self._server.run
        sockets = {"sockets": [self._listener]}
        self._listener.listen(128)  # so that nobody is turned away while the server comes up
        self._thread = threading.Thread(target=run, kwargs=sockets, name="gateway", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no more calls; those that are held have 2 s to end."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(10)
        self._listener.close()
        self._asking.shutdown(wait=False, cancel_futures=True)

    async def _read(self, request: Request) -> Incoming:
        raw_path = request.scope["raw_path"].decode("latin-1").partition("?")[0]
        stage, _, path = raw_path.lstrip("/").partition("/")
        parts: list[bytes] = []
        async for part in request.stream():
            if sum(map(len, parts)) <= MAX_BODY_BYTES:  # the rest of a body that is too large is not kept
                parts.append(part)
        return Incoming(
            method=request.method,
            stage=stage,
            path=f"/{path}",
            query=request.url.query,
            headers=request.headers.items(),
            body=b"".join(parts),
            source_ip=request.client.host if request.client else "127.0.0.1",
            received_at=self.now(),
        )

    async def _answer(
        self, request: Incoming, stages: Mapping[str, Api], metering: Metering, invoke: Invoke
    ) -> Outgoing:
        api = stages.get(request.stage)
        if api is None:
            return Outgoing(403, (("Content-Type", "application/json"),), b'{"message":"Forbidden"}')
        found = match(api.routes, request.method, request.path)
        if found is None:
            return refuse(api, Refused.UNKNOWN_ROUTE, request)
        route, path_parameters = found
        key_id = None
        if route.needs_key:
            key = metering.admit(request.header("x-api-key"))
            if isinstance(key, Refused):
                return refuse(api, key, request)
            key_id = key.id
        is_binary = is_binary_type(api.binary_types, request.header("content-type"))
        event = event_of(request, route, path_parameters, api.id, key_id, is_binary)
        if len(request.body) > MAX_BODY_BYTES or len(json.dumps(event)) > MAX_EVENT_BYTES:
            return refuse(api, Refused.TOO_LARGE, request)
        return await self._ask(api, request, route.function_name, event, invoke)

    async def _ask(
        self, api: Api, request: Incoming, function_name: str, event: Any, invoke: Invoke
    ) -> Outgoing:
        loop = asyncio.get_running_loop()
        asked = loop.run_in_executor(self._asking, invoke, function_name, event)
        decodes = is_binary_type(api.binary_types, request.header("accept"))
        try:
            answer = answer_of(await asyncio.wait_for(asked, INTEGRATION_TIMEOUT_S), decodes)
        except TimeoutError:
            return refuse(api, Refused.TIMED_OUT, request)
        except (FunctionFailed, MalformedAnswer) as error:
            log.warning("%s %s: %s", request.method, request.path, error)
            return refuse(api, Refused.FAILED, request)
        return Outgoing(
            answer.status, (*answer.headers, ("x-amzn-RequestId", request.request_id)), answer.body
        )


def listen(port: int) -> socket.socket:
    """A socket bound to loopback; port 0 takes any free one. Raises StackError when the port is taken."""
    # asyncio turns Nagle's delays off only for sockets that name TCP.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise StackError(
            f"cannot listen on 127.0.0.1:{port}: {error.strerror}. Choose another port, or free it"
        ) from error
    return listener
