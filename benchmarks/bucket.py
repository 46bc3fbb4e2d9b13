"""A bucket in a process of its own: as little of S3 as the store needs, and a log of every request.

It answers in a fraction of a millisecond, where moto's server takes several. Run it by `open_bucket`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'


@dataclass(frozen=True)
class Request:
    """One request as the bucket saw it."""

    method: str
    key: str  #: of a LIST its prefix
    start: float  #: seconds since 1970
    end: float


@dataclass(frozen=True)
class Bucket:
    """A running bucket."""

    url: str
    log: Path

    def requests(self) -> list[Request]:
        return [Request(**json.loads(line)) for line in self.log.read_text().splitlines()]


@contextmanager
def open_bucket(folder: Path, latency_s: float = 0.0) -> Iterator[Bucket]:
    """A bucket that answers every request `latency_s` late, by any name and to anybody."""
    log = folder / "bucket.jsonl"
    command = [sys.executable, "-m", "benchmarks.bucket", f"--latency={latency_s}", f"--log={log}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Bucket(f"http://127.0.0.1:{int(process.stdout.readline())}", log)
        finally:
            process.kill()


@dataclass(frozen=True)
class _Reply:
    status: str
    body: bytes = b""
    modified: float = 0.0


class _Objects:
    """What is in the bucket."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[bytes, float]] = {}

    def answer(
        self, method: str, key: str, query: dict[str, list[str]], if_absent: bool, body: bytes
    ) -> _Reply:
        if method == "PUT":
            return self._put(key, if_absent, body)
        if method == "DELETE":
            self._held.pop(key, None)
            return _Reply("204 No Content")
        if not key:
            return self._list(query.get("prefix", [""])[0], int(query.get("max-keys", ["1000"])[0]))
        if key not in self._held:
            return _error("404 Not Found", "NoSuchKey")
        data, modified = self._held[key]
        return _Reply("200 OK", data, modified)

    def _put(self, key: str, if_absent: bool, body: bytes) -> _Reply:
        if if_absent and key in self._held:
            return _error("412 Precondition Failed", "PreconditionFailed")
        self._held[key] = body, time.time()
        return _Reply("200 OK")

    def _list(self, prefix: str, limit: int) -> _Reply:
        found = sorted(key for key in self._held if key.startswith(prefix))[:limit]
        rows = "".join(self._row(key) for key in found)
        text = f"<KeyCount>{len(found)}</KeyCount><IsTruncated>false</IsTruncated>{rows}"
        return _Reply("200 OK", f"{_XML}<ListBucketResult>{text}</ListBucketResult>".encode())

    def _row(self, key: str) -> str:
        data, modified = self._held[key]
        at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(modified))
        return (
            f"<Contents><Key>{escape(key)}</Key><Size>{len(data)}</Size>"
            f"<LastModified>{at}</LastModified></Contents>"
        )


def _error(status: str, code: str) -> _Reply:
    return _Reply(status, f"{_XML}<Error><Code>{code}</Code></Error>".encode())


async def _serve(latency_s: float, log: Path) -> None:
    objects = _Objects()
    with log.open("w", buffering=1) as lines:

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    lines.write(await _answer_one(reader, writer, objects, latency_s) + "\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


async def _answer_one(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, objects: _Objects, latency_s: float
) -> str:
    """One request, answered, as a line of the log."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    start = time.time()
    request_line, *lines = head.rstrip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    if headers.get("expect") == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    method, target, _ = request_line.split(" ")
    place = urlsplit(target)
    key, query = unquote(place.path).lstrip("/").partition("/")[2], parse_qs(place.query)
    await asyncio.sleep(latency_s)
    reply = objects.answer(method, key, query, "if-none-match" in headers, body)
    writer.write(_head(reply) + (b"" if method == "HEAD" else reply.body))
    await writer.drain()
    seen = {"method": method, "key": key or query.get("prefix", [""])[0]}
    return json.dumps(seen | {"start": start, "end": time.time()})


def _head(reply: _Reply) -> bytes:
    modified = formatdate(reply.modified, usegmt=True)
    return (
        f"HTTP/1.1 {reply.status}\r\nContent-Length: {len(reply.body)}\r\n"
        f'Last-Modified: {modified}\r\nETag: "0"\r\n\r\n'
    ).encode()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, required=True, help="seconds that every answer waits")
    parser.add_argument("--log", type=Path, required=True)
    words = parser.parse_args()
    asyncio.run(_serve(words.latency, words.log))
