"""One large object in a process of its own: as much of S3 as a fetch asks for, sent by the kernel.

It can be held to the speed of a network, all connections together. Run by `open_server`.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ETAG = '"0"'
_SLICE_BYTES = 1 << 18
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@contextmanager
def open_server(file: Path, sha256: str, bytes_per_s: float) -> Iterator[str]:
    """The url of a server whose every object is `file`. bytes_per_s: 0 for as fast as it can."""
    command = [sys.executable, "-m", "benchmarks.byte_server", f"--file={file}", f"--sha256={sha256}"]
    command += [f"--bytes-per-s={bytes_per_s}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


class _Network:
    """Lets bytes pass at a rate, whoever sends them."""

    def __init__(self, bytes_per_s: float):
        self._bytes_per_s, self._lock, self._free_at = bytes_per_s, threading.Lock(), 0.0

    def pass_through(self, size_bytes: int) -> None:
        """Returns when that many bytes may be sent."""
        if not self._bytes_per_s:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at = max(now, self._free_at) + size_bytes / self._bytes_per_s
            wait_s = self._free_at - now
        time.sleep(wait_s)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    file: Path
    sha256: str
    network: _Network

    def do_HEAD(self) -> None:
        self._head(200, self.file.stat().st_size)

    def do_GET(self) -> None:
        asked = _RANGE.fullmatch(self.headers["Range"])
        assert asked is not None and self.headers["If-Match"] == ETAG
        at, end = int(asked[1]), int(asked[2]) + 1
        self._head(206, end - at)
        with self.file.open("rb") as file:
            while at < end:
                count = min(_SLICE_BYTES, end - at)
                self.network.pass_through(count)
                self._send(file.fileno(), at, count)
                at += count

    def _head(self, status: int, size_bytes: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(size_bytes))
        self.send_header("ETag", ETAG)
        self.send_header("Last-Modified", formatdate(0, usegmt=True))
        self.send_header("x-amz-meta-sha256", self.sha256)
        self.end_headers()
        self.wfile.flush()

    def _send(self, source: int, at: int, count: int) -> None:
        while count:
            sent = os.sendfile(self.connection.fileno(), source, at, count)
            at, count = at + sent, count - sent

    def log_message(self, format: str, *args: object) -> None:
        pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--sha256", required=True)
    parser.add_argument("--bytes-per-s", type=float, required=True)
    words = parser.parse_args()
    _Handler.file, _Handler.sha256 = words.file, words.sha256
    _Handler.network = _Network(words.bytes_per_s)
    ThreadingHTTPServer.request_queue_size = 64
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
