"""A bucket in memory that counts what is asked of it and can be told to fail."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from webui_async.contract.errors import ObjectReplaced, StoreError
from webui_async.store import Entry, Head, Store

MODIFIED = 1_700_000_000.0


@dataclass(frozen=True)
class Object:
    data: bytes
    etag: str
    metadata: dict[str, str]
    modified: float


class Bucket(Store):
    """The reads of a Store that a fetch makes."""

    chunk_bytes = 1000

    def __init__(self) -> None:
        super().__init__(cast(Any, None), "art")
        self.objects: dict[str, Object] = {}
        self.heads: list[str] = []
        self.lists = 0
        self.ranges: list[tuple[int, int]] = []
        self.refusal: StoreError | None = None  #: of every call
        self.on_chunk: Callable[[int], None] = lambda at: None  #: called before each chunk, with its place
        self.gate = threading.Event()  #: bytes come while it is set
        self.gate.set()
        self.list_gate = threading.Event()  #: a listing is answered while it is set
        self.list_gate.set()

    def put(self, key: str, data: bytes, sha256: str | None = None, modified: float = MODIFIED) -> None:
        """An object as the packager leaves it; sha256: another one than its own, "" for none."""
        promised = hashlib.sha256(data).hexdigest() if sha256 is None else sha256
        metadata = {"sha256": promised} if promised else {}
        self.objects[key] = Object(data, f'"{len(self.objects)}-{modified}"', metadata, modified)

    @property
    def downloads(self) -> int:
        """How often a file was begun."""
        return sum(start == 0 for start, _ in self.ranges)

    def head(self, key: str) -> Head | None:
        self._refuse()
        self.heads.append(key)
        found = self.objects.get(key)
        return Head(len(found.data), found.etag, found.modified, found.metadata) if found else None

    def read_range(self, key: str, etag: str, start: int, end: int) -> Iterator[bytes]:
        self._refuse()
        self.ranges.append((start, end))
        for at in range(start, end, self.chunk_bytes):
            assert self.gate.wait(10), "the test forgot its gate"
            self.on_chunk(at)
            found = self.objects.get(key)
            if found is None or found.etag != etag:
                raise ObjectReplaced(f"{key} was replaced")
            yield found.data[at : min(at + self.chunk_bytes, end)]

    def list(self, prefix: str, after: str = "", limit: int | None = None) -> Iterator[Entry]:
        self._refuse()
        self.lists += 1
        assert self.list_gate.wait(10), "the test forgot its gate"
        for key, found in sorted(self.objects.items()):
            if key.startswith(prefix):
                yield Entry(key, len(found.data), found.modified)

    def _refuse(self) -> None:
        if self.refusal is not None:
            raise self.refusal
