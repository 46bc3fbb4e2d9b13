"""A gzip stream, of stored blocks or deflated. Weights do not shrink, so stored is the default.

Stored blocks hold at most 65,535 bytes behind 5 bytes that give their length. A Chunk leaves room for those
between the bytes of a file, so what was read is written as it lies and never copied.
Sources: RFC 1951, 3.2.4; RFC 1952.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Sequence
from typing import Protocol

_BLOCK_BYTES = 65_535
_HEAD_BYTES = 5
_BLOCKS_IN_CHUNK = 32
#: Payload of one Chunk.
CHUNK_BYTES = _BLOCK_BYTES * _BLOCKS_IN_CHUNK
#: No name, no time, no operating system: the same content gives the same bytes.
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LAST_BLOCK = b"\x01\x00\x00\xff\xff"
_LEVEL = 6
#: For writes of megabytes Linux looks for memory in one piece, which takes longer than the writing.
_WRITE_BYTES = 4 * (_HEAD_BYTES + _BLOCK_BYTES)


class Sink(Protocol):
    """Where bytes go. It may not keep what it is given: the buffer is used again."""

    def write(self, data: memoryview, /) -> int | None: ...


class Chunk:
    """A buffer for a part of a file, laid out as stored blocks."""

    def __init__(self) -> None:
        self.size = 0  #: bytes of the file in it
        self._bytes = memoryview(bytearray((_HEAD_BYTES + _BLOCK_BYTES) * _BLOCKS_IN_CHUNK))
        self._rooms: list[memoryview] = []
        for start in range(0, len(self._bytes), _HEAD_BYTES + _BLOCK_BYTES):
            self._bytes[start : start + _HEAD_BYTES] = _head(_BLOCK_BYTES)
            self._rooms.append(self._bytes[start + _HEAD_BYTES : start + _HEAD_BYTES + _BLOCK_BYTES])

    def fill(self, descriptor: int, wanted: int) -> None:
        """Holds the next `wanted` bytes of a file, or what is left of it."""
        self.size = 0
        while self.size < wanted:
            count = os.readv(descriptor, self._between(self.size, wanted))
            if not count:
                return
            self.size += count

    @property
    def pieces(self) -> Sequence[memoryview]:
        """What was read."""
        return self._between(0, self.size)

    @property
    def blocks(self) -> Sequence[memoryview]:
        """What was read, as stored blocks; to be written one after the other."""
        whole, rest = divmod(self.size, _BLOCK_BYTES)
        blocks = [self._bytes[: whole * (_HEAD_BYTES + _BLOCK_BYTES)]] if whole else []
        return [*blocks, memoryview(_head(rest)), self._rooms[whole][:rest]] if rest else blocks

    def _between(self, start: int, end: int) -> list[memoryview]:
        first, offset = divmod(start, _BLOCK_BYTES)
        last, rest = divmod(end, _BLOCK_BYTES)
        rooms = self._rooms[first:last] + ([self._rooms[last][:rest]] if rest else [])
        return [rooms[0][offset:], *rooms[1:]] if rooms else []


class StoredGzip:
    """Writes what it is given as stored blocks."""

    def __init__(self, sink: Sink):
        self._sink = sink
        self._checksum = 0
        self._size = 0
        _write(sink, _GZIP_HEAD)

    def write(self, data: bytes) -> None:
        for start in range(0, len(data), _BLOCK_BYTES):
            piece = data[start : start + _BLOCK_BYTES]
            _write(self._sink, _head(len(piece)) + piece)
        self._count([memoryview(data)])

    def write_chunk(self, chunk: Chunk) -> None:
        self._count(chunk.pieces)
        for block in chunk.blocks:
            _write(self._sink, block)

    def finish(self) -> None:
        _write(self._sink, _LAST_BLOCK + struct.pack("<II", self._checksum, self._size & 0xFFFFFFFF))

    def _count(self, pieces: Sequence[memoryview]) -> None:
        for piece in pieces:
            self._checksum = zlib.crc32(piece, self._checksum)
            self._size += len(piece)


class DeflatedGzip:
    """Writes what it is given compressed."""

    def __init__(self, sink: Sink):
        self._sink = sink
        self._deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)

    def write(self, data: bytes) -> None:
        _write(self._sink, self._deflate.compress(data))

    def write_chunk(self, chunk: Chunk) -> None:
        for piece in chunk.pieces:
            _write(self._sink, self._deflate.compress(piece))

    def finish(self) -> None:
        _write(self._sink, self._deflate.flush())


def stored_size(size_bytes: int) -> int:
    """How long stored blocks with that much in them are."""
    return size_bytes + _HEAD_BYTES * -(-size_bytes // _BLOCK_BYTES)


#: What a stream of stored blocks has before and behind them.
FRAME_BYTES = len(_GZIP_HEAD) + len(_LAST_BLOCK) + 8


def _head(size_bytes: int) -> bytes:
    return struct.pack("<BHH", 0, size_bytes, size_bytes ^ 0xFFFF)


def _write(sink: Sink, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while len(view):
        piece = view[:_WRITE_BYTES]
        written = sink.write(piece)
        view = view[len(piece) if written is None else written :]
