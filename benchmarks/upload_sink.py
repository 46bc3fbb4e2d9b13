"""A byte sink in a process of its own that speaks as much of S3 as an upload asks for, and keeps nothing.

Run by `open_sink`.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_BUFFER_BYTES = 1 << 20
_CHECKSUM = "x-amz-checksum-crc32"
_BEGUN = "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
_DONE = '<CompleteMultipartUploadResult><ETag>"0"</ETag></CompleteMultipartUploadResult>'


@contextmanager
def open_sink() -> Iterator[str]:
    """The sink's url. It takes any bucket's name and any credentials."""
    command = [sys.executable, "-m", "benchmarks.upload_sink"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    rbufsize = 1 << 16
    _buffers = threading.local()

    def do_PUT(self) -> None:
        self._discard()
        self._answer("")

    def do_POST(self) -> None:
        self._discard()
        self._answer(_BEGUN if "uploads" in self.path else _DONE)

    def _discard(self) -> None:
        if not hasattr(self._buffers, "view"):
            self._buffers.view = memoryview(bytearray(_BUFFER_BYTES))
        left = int(self.headers.get("Content-Length", 0))
        while left:
            left -= self.rfile.readinto(self._buffers.view[:left])  # type: ignore[attr-defined]

    def _answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("ETag", '"0"')
        if _CHECKSUM in self.headers:
            self.send_header(_CHECKSUM, self.headers[_CHECKSUM])
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


if __name__ == "__main__":
    ThreadingHTTPServer.request_queue_size = 64
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
