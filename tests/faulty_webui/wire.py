"""HTTP in front of a stand-in."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol


@dataclass
class Answer:
    """One HTTP answer. `body` goes out as it is when it is bytes, else as JSON."""

    status: int = 200
    body: Any = None
    content_type: str = "application/json"
    missing_bytes: int = 0  #: promised by Content-Length and never sent

    def encoded(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Failed(Exception):
    """The drawing ends here, with `answer`."""

    def __init__(self, answer: Answer):
        super().__init__(answer.status)
        self.answer = answer


class Served(Protocol):
    """What the handler needs of an engine."""

    in_hand: int  #: requests that are being answered
    most_in_hand: int

    def get(self, route: str) -> Answer: ...
    def post(self, route: str, body: dict[str, Any]) -> Answer: ...


class Handler(BaseHTTPRequestHandler):
    """Requests to the one engine of this process."""

    engine: Served
    counting = threading.Lock()
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self._count(1)
        answer = self.engine.get(self._route())
        self._count(-1)
        self._send(answer)

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._count(1)
        answer = self.engine.post(self._route(), json.loads(text or b"{}") or {})
        self._count(-1)
        self._send(answer)

    def _route(self) -> str:
        return self.path.partition("?")[0].removeprefix("/sdapi/v1/")

    def _count(self, change: int) -> None:
        with self.counting:
            self.engine.in_hand += change
            self.engine.most_in_hand = max(self.engine.most_in_hand, self.engine.in_hand)

    def _send(self, answer: Answer) -> None:
        data = answer.encoded()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(data) + answer.missing_bytes))
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = self.close_connection or answer.missing_bytes > 0

    def log_message(self, format: str, *args: object) -> None:
        pass


def listen(engine: Served, port: int) -> None:
    """Answer on loopback until killed."""
    Handler.engine = engine
    ThreadingHTTPServer.daemon_threads = True
    # serve asks for all lists at once; a connection over the queue would be tried again after a second.
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever(poll_interval=0.05)
