"""The archive of a pack: a tar.gz made in one pass, hashed on the way, manifest.json its last member.

Every file is read once, into buffers that are used again; one thread hashes while the other computes gzip's
checksum and writes. The same members give the same bytes: sorted, one owner, one time, one mode.
"""

from __future__ import annotations

import contextlib
import tarfile
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from webui_async.contract.errors import WriteFailed
from webui_async.contract.manifest import ARCHIVE, NAME, Manifest
from webui_async.packager.gzip_stream import (
    CHUNK_BYTES,
    FRAME_BYTES,
    Chunk,
    DeflatedGzip,
    Sink,
    StoredGzip,
    stored_size,
)
from webui_async.packager.hashes import MemberHasher, OnBytes
from webui_async.packager.members import Member, ended_early, manifest_of, open_unchanged, reading

#: 1980: `tar` warns of times that are older.
_MODIFIED_S = 315_532_800
_MODE = 0o644
#: Buffers under way between reading and hashing, 2 MB each.
_CHUNKS = 8


def write_archive(
    members: Sequence[Member], sink: Sink, *, compress: bool = False, on_bytes: OnBytes | None = None
) -> Manifest:
    """Writes the whole archive into the sink and gives the manifest that lies in it.

    Raises FileChanged, ModelFileError, and what the sink raises.
    """
    stream = DeflatedGzip(sink) if compress else StoredGzip(sink)
    with ThreadPoolExecutor(1, "hash") as pool:
        return _Archive(stream, pool, on_bytes).write(_ordered(members))


def write_archive_file(
    members: Sequence[Member], path: Path, *, compress: bool = False, on_bytes: OnBytes | None = None
) -> Manifest:
    """The same into a file, which appears whole or not at all. Raises WriteFailed too."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb", buffering=0) as file:
            manifest = write_archive(members, file, compress=compress, on_bytes=on_bytes)
        partial.replace(path)
    except OSError as error:
        raise WriteFailed(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    return manifest


def archive_size(members: Sequence[Member]) -> int:
    """How many bytes write_archive gives without `compress`, to the byte."""
    size, padding, ordered = FRAME_BYTES, b"", _ordered(members)
    for member in ordered:
        size += stored_size(len(padding + _head(member.path, member.size_bytes)))
        size += stored_size(member.size_bytes)
        padding = _padding(member.size_bytes)
    same_length = [MemberHasher(replace(member, sha256=None)).finish() for member in ordered]
    return size + stored_size(len(padding + _tail(manifest_of(same_length, ARCHIVE))))


class _Archive:
    """One pass over the members."""

    def __init__(self, stream: StoredGzip | DeflatedGzip, pool: ThreadPoolExecutor, on_bytes: OnBytes | None):
        self._stream, self._pool, self._on_bytes = stream, pool, on_bytes
        #: each with what has to end before it is used again
        self._chunks: deque[tuple[Chunk, Future[None] | None]] = deque(
            (Chunk(), None) for _ in range(_CHUNKS)
        )

    def write(self, members: Sequence[Member]) -> Manifest:
        padding, hashing = b"", []
        for member in members:
            self._stream.write(padding + _head(member.path, member.size_bytes))
            hashing.append(self._write_content(member))
            padding = _padding(member.size_bytes)
        manifest = manifest_of([future.result() for future in hashing], ARCHIVE)
        self._stream.write(padding + _tail(manifest))
        self._stream.finish()
        return manifest

    def _write_content(self, member: Member) -> Future[Member]:
        """The member with its hashes, once they are made."""
        hasher, left = MemberHasher(member), member.size_bytes
        with open_unchanged(member) as file:
            while left:
                chunk, used = self._chunks.popleft()
                if used:
                    used.result()
                wanted = min(left, CHUNK_BYTES)
                with reading(member):
                    chunk.fill(file.fileno(), wanted)
                if chunk.size < wanted:
                    raise ended_early(member)
                self._chunks.append((chunk, self._pool.submit(hasher.update, chunk.pieces)))
                self._stream.write_chunk(chunk)
                left -= wanted
                if self._on_bytes:
                    self._on_bytes(wanted)
        return self._pool.submit(hasher.finish)


def _ordered(members: Sequence[Member]) -> list[Member]:
    return sorted(members, key=lambda member: member.path)


def _head(path: str, size_bytes: int) -> bytes:
    """What stands before a file in a tar. GNU's form: any length of name, any size."""
    entry = tarfile.TarInfo(path)
    entry.size, entry.mtime, entry.mode = size_bytes, _MODIFIED_S, _MODE
    return entry.tobuf(tarfile.GNU_FORMAT, "utf-8")


def _padding(size_bytes: int) -> bytes:
    return bytes(-size_bytes % tarfile.BLOCKSIZE)


def _tail(manifest: Manifest) -> bytes:
    """The manifest as a member, and a tar's end."""
    text = manifest.to_bytes()
    return _head(NAME, len(text)) + text + _padding(len(text)) + bytes(2 * tarfile.BLOCKSIZE)
