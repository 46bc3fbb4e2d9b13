"""A TCP proxy that lets a number of bytes through to the server, then cuts every connection or goes dumb."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from types import TracebackType
from urllib.parse import urlsplit

_CHUNK_BYTES = 1 << 16


class CuttingProxy:
    """In front of `url`. `limit_bytes` pass on their way up; None cuts nothing.

    is_dumb: what comes after them is taken, and nothing ever answered, as on a network that swallows packets.
    """

    def __init__(self, url: str, limit_bytes: int | None, is_dumb: bool = False):
        place = urlsplit(url)
        self._server = (place.hostname, place.port)
        self._limit, self._is_dumb = limit_bytes, is_dumb
        self.passed_bytes = 0
        self.is_over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._peers: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="cutting-proxy")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> CuttingProxy:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wake.send(b"x")
        self._thread.join()
        self._selector.close()
        for each in (*self._peers, self._listener, self._wake, self._woken):
            each.close()

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._woken:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj in self._peers:
                    assert isinstance(key.fileobj, socket.socket)
                    self._forward(key.fileobj, is_up=key.data)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        if self.is_over.is_set() and not self._is_dumb:
            client.close()
            return
        server = socket.create_connection(self._server)
        self._peers |= {client: server, server: client}
        self._selector.register(client, selectors.EVENT_READ, True)
        self._selector.register(server, selectors.EVENT_READ, False)

    def _forward(self, source: socket.socket, is_up: bool) -> None:
        data = b""
        with contextlib.suppress(ConnectionError):
            data = source.recv(_CHUNK_BYTES)
        if not data:
            self._close(source)
            return
        if is_up:
            self.passed_bytes += len(data)
            if self._limit is not None and self.passed_bytes > self._limit:
                self.is_over.set()
        if not self.is_over.is_set():
            with contextlib.suppress(ConnectionError):
                self._peers[source].sendall(data)
        elif not self._is_dumb:
            for each in list(self._peers):
                self._close(each)

    def _close(self, one: socket.socket) -> None:
        for each in (one, self._peers.get(one)):
            if each is not None and each in self._peers:
                self._selector.unregister(each)
                del self._peers[each]
                each.close()
