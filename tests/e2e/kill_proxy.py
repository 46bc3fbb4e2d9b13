"""A proxy in front of the local AWS that kills its client's process after a given number of writes.

The victim's environment names the proxy where AWS would be; nothing in our code knows of it.
"""

from __future__ import annotations

import http.client
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit

_READS = ("GET", "HEAD")
#: Where InvokeEndpointAsync is called; everything else is moto's.
_RUNTIME = "/endpoints/"
_PER_HOP = ("connection", "expect", "transfer-encoding", "date", "server")


class KillProxy:
    """Forwards AWS requests as they are, and remembers the writes among them.

    Once `writes_left` writes were made the victim gets SIGKILL: after the last one has arrived and before its
    answer is passed on, which to the bucket is the moment before the next one. With 0 that is the first one.
    """

    def __init__(self, aws_url: str, runtime_url: str):
        self._aws, self._runtime = urlsplit(aws_url).netloc, urlsplit(runtime_url).netloc
        self.writes: list[str] = []  #: those that arrived: method and path
        self.writes_left: int | None = None  #: None kills nobody
        self.victim_pid = 0
        self._lock = threading.Lock()  # a victim's writes one after another, so that none slips through
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="kill-proxy")

    @property
    def environment(self) -> dict[str, str]:
        """What a function's environment has to name."""
        url = f"http://127.0.0.1:{self._server.server_port}"
        return {"AWS_ENDPOINT_URL": url, "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": url}

    def __enter__(self) -> KillProxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _is_last(self) -> bool:
        return self.writes_left is not None and len(self.writes) >= self.writes_left

    def _kill(self) -> None:
        os.kill(self.victim_pid, signal.SIGKILL)

    def _write(self, method: str, path: str, headers: dict[str, str], body: bytes) -> _Answer | None:
        """The answer; None when there is nobody left to have it."""
        with self._lock:
            if self._is_last():
                self._kill()
                return None
            answer = self._forward(method, path, headers, body)
            self.writes.append(f"{method} {path}")
            if self._is_last():
                self._kill()
                return None
            return answer

    def _forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> _Answer:
        host = self._runtime if path.startswith(_RUNTIME) else self._aws
        connection = http.client.HTTPConnection(host, timeout=60)
        try:
            # The Host header is the victim's own: it is part of what was signed.
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {
                    name: value for name, value in self.headers.items() if name.lower() not in _PER_HOP
                }
                forward = proxy._forward if self.command in _READS else proxy._write
                answer = forward(self.command, self.path, headers, body)
                if answer is None:
                    self.close_connection = True
                    return
                status, answer_headers, data = answer
                self.send_response_only(status)
                for name, value in answer_headers:
                    if name.lower() not in _PER_HOP:
                        self.send_header(name, value)
                if not any(name.lower() == "content-length" for name, _ in answer_headers):
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        return Handler


#: Status, headers and body.
_Answer = tuple[int, list[tuple[str, str]], bytes]
