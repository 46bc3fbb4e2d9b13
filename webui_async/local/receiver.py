"""A callback receiver on this machine: what an artist's server would do with a signed callback."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from webui_async.contract.errors import BadSignature
from webui_async.contract.signature import verify


@dataclass(frozen=True)
class Received:
    """One callback as it came in."""

    webhook_id: str
    body: dict[str, Any]
    at: float
    is_genuine: bool  #: its signature holds


class Receiver:
    """Listens on 127.0.0.1 and keeps every callback, verified with `secrets` (set them after the start)."""

    def __init__(self) -> None:
        self.secrets: Sequence[str] = ()
        self._arrived: queue.Queue[Received] = queue.Queue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, name="callbacks", daemon=True)

    @property
    def host(self) -> str:
        """The `host:port` that must be allowed to be called."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/callback"

    def next(self, timeout_s: float) -> Received | None:
        """The next callback; None when none came in time."""
        try:
            return self._arrived.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, headers: dict[str, str], body: bytes) -> bool:
        try:
            verify(self.secrets, headers, body, time.time())
            is_genuine = True
        except BadSignature:
            is_genuine = False
        received = Received(headers.get("webhook-id", ""), json.loads(body), time.time(), is_genuine)
        self._arrived.put(received)
        return is_genuine

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                is_genuine = receiver._take(headers, body)
                self.send_response(204 if is_genuine else 401)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Quiet: the demo prints its own stations."""

        return Handler
