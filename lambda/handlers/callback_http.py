"""One POST to a callback address: to the very address that was checked, bounded in time and size."""

from __future__ import annotations

import http.client
import io
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from handlers.callback_url import CallbackUrl, is_public
from webui_async.contract.errors import CallbackFailed, CallbackRefused

TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 4096
_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """What the receiver said; its body is of no interest."""

    status: int
    retry_after: str | None


def resolve(host: str, port: int) -> list[str]:
    """The addresses that DNS has for a host now. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True)
class Poster:
    """Makes callbacks. Tests bring their own DNS, trust and patience."""

    resolve: Callable[[str, int], Sequence[str]] = resolve
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    timeout_s: float = TIMEOUT_S
    clock: Callable[[], float] = time.monotonic

    def post(self, url: CallbackUrl, headers: Mapping[str, str], body: bytes) -> Answer:
        """What the receiver answered; a redirect is an answer like any other and is not followed.

        Raises CallbackRefused when the host leads to an address that is not public, CallbackFailed when no
        answer could be had in time.
        """
        deadline = self.clock() + self.timeout_s
        try:
            with self._connect(url, self._addresses(url), deadline) as connection:
                connection.settimeout(self._left(deadline))
                connection.sendall(_request(url, headers, body))
                return _read_answer(self._receive_head(connection, deadline))
        except (OSError, http.client.HTTPException) as error:
            raise CallbackFailed(f"{url.authority} did not take the callback: {error!r}") from error

    def _addresses(self, url: CallbackUrl) -> list[str]:
        addresses = list(self.resolve(url.host, url.port))
        hidden = [address for address in addresses if not is_public(address)]
        if hidden and not url.is_allowed:
            raise CallbackRefused(
                f"callback_url's host {url.host} leads to {hidden[0]}, which is not a public address"
            )
        return addresses

    def _connect(self, url: CallbackUrl, addresses: Sequence[str], deadline: float) -> socket.socket:
        """A connection to the first address that takes one; under https the certificate is the name's."""
        problem = OSError(f"{url.host} has no address")
        for address in addresses:
            try:
                connection = self._open(address, url.port, deadline)
            except OSError as error:
                problem = error
                continue
            return connection if url.scheme == "http" else self._encrypt(connection, url.host)
        raise problem

    def _open(self, address: str, port: int, deadline: float) -> socket.socket:
        family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(self._left(deadline))
            connection.connect((address, port))
        except OSError:
            connection.close()
            raise
        return connection

    def _encrypt(self, connection: socket.socket, host: str) -> ssl.SSLSocket:
        try:
            return self.tls.wrap_socket(connection, server_hostname=host)
        except OSError:
            connection.close()
            raise

    def _receive_head(self, connection: socket.socket, deadline: float) -> bytes:
        """The answer's head. A receiver that drips must not hold us, so each wait gets what is left."""
        data = b""
        while _HEAD_END not in data and len(data) < MAX_ANSWER_BYTES:
            connection.settimeout(self._left(deadline))
            piece = connection.recv(MAX_ANSWER_BYTES - len(data))
            if not piece:
                break
            data += piece
        if _HEAD_END not in data:
            raise http.client.HTTPException(f"no end of the headers in {len(data)} bytes")
        return data

    def _left(self, deadline: float) -> float:
        left = deadline - self.clock()
        if left <= 0:
            raise TimeoutError(f"{self.timeout_s} s are over")
        return left


def _request(url: CallbackUrl, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [
        f"POST {url.target} HTTP/1.1",
        f"host: {url.authority}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "user-agent: webui-async",
        "connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode("ascii") + _HEAD_END + body


class _Received:
    """Received bytes where http.client looks for a socket."""

    def __init__(self, data: bytes):
        self.data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self.data)


def _read_answer(head: bytes) -> Answer:
    answer = http.client.HTTPResponse(_Received(head))  # type: ignore[arg-type]
    answer.begin()
    return Answer(answer.status, answer.getheader("retry-after"))
