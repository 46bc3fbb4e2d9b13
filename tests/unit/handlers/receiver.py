"""Whoever asked to be called back: an HTTP server on loopback that keeps what it got."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def answer(status: int, **headers: str) -> bytes:
    lines = [
        f"HTTP/1.1 {status} said so",
        *(f"{name.replace('_', '-')}: {headers[name]}" for name in headers),
    ]
    return "\r\n".join([*lines, "content-length: 0", "", ""]).encode()


@dataclass(frozen=True)
class Request:
    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers each request with the next of `answers`, the last one over and over."""

    port: int
    answers: list[bytes | Callable[[socket.socket], None]] = field(default_factory=lambda: [OK])
    requests: list[Request] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def serve(self, connection: socket.socket) -> None:
        self.requests.append(_read_request(connection))
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(said):
            said(connection)
        else:
            connection.sendall(said)


@contextlib.contextmanager
def open_receiver(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        receiver = Receiver(server.getsockname()[1])
        thread = threading.Thread(target=_accept, args=(server, receiver, tls))
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(server: socket.socket, receiver: Receiver, tls: ssl.SSLContext | None) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        # A caller that hangs up on us is what some tests are about.
        with connection, contextlib.suppress(OSError):
            if tls is None:
                receiver.serve(connection)
            else:
                with tls.wrap_socket(connection, server_side=True) as encrypted:
                    receiver.serve(encrypted)


def _read_request(connection: socket.socket) -> Request:
    with connection.makefile("rb") as stream:
        line = stream.readline().decode().strip()
        headers = {}
        while text := stream.readline().decode().strip():
            name, _, value = text.partition(": ")
            headers[name.lower()] = value
        return Request(line, headers, stream.read(int(headers.get("content-length", 0))))
