"""One model file from the bucket to the disk: in parallel ranges, verified while it comes."""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from webui_async.contract.errors import (
    DiskFull,
    FetchFailed,
    ModelFileError,
    ObjectReplaced,
    StoreError,
    shown,
)
from webui_async.contract.settings import ServeSettings
from webui_async.store import Head, Store

#: What the packager writes beside each model file: 64 hex digits over the whole of it.
SHA256 = "sha256"
_HEX = re.compile(r"[0-9a-f]{64}")
_PART = ".part"
_TRIES = 3
#: Eight readers together weigh as much as one thread of the engine, and never keep the hash waiting.
_NICE = 10


class FetchStopped(Exception):
    """Nobody waits for the file any more."""


@dataclass(frozen=True)
class Fetched:
    """A whole file on the disk."""

    size_bytes: int
    modified: float  #: the object's, seconds since 1970; the file has it too
    sha256: str


class Fetcher:
    """Downloads into files. Its methods block, and may be called in several threads at once."""

    def __init__(self, store: Store, settings: ServeSettings):
        self._store, self._settings = store, settings

    def fetch(self, key: str, path: Path, stop: threading.Event) -> Fetched:
        """The object at `key` as the file `path`, which is there only when it is whole and right.

        stop: set when nobody waits any more; FetchStopped is raised soon after.
        Raises FetchFailed, DiskFull, and ModelFileError when the object is not what it should be.
        """
        part = path.with_name(path.name + _PART)
        with self._seam(key):
            try:
                fetched = self._fetch_part(key, part, stop)
                os.chmod(part, 0o644)  # the engine is another user
                # The engine keeps hashes by time: the same object again needs no hashing again.
                os.utime(part, (fetched.modified, fetched.modified))
                os.replace(part, path)
                return fetched
            finally:
                part.unlink(missing_ok=True)

    @contextmanager
    def _seam(self, key: str) -> Iterator[None]:
        """What S3 and the disk say wrong, as errors of a fetch."""
        uri = self._store.uri(key)
        try:
            yield
        except StoreError as error:
            raise FetchFailed(f"{uri} could not be fetched: {error}") from error
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise FetchFailed(f"{uri} could not be written: {error}") from error
            raise DiskFull(
                f"{self._settings.fetched_dir} has no room for {uri}: {error.strerror}. "
                "Give the instance a larger disk, or lower WEBUI_ASYNC_FETCH_BUDGET_BYTES"
            ) from error

    def _fetch_part(self, key: str, part: Path, stop: threading.Event) -> Fetched:
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            return self._download(key, part, stop)
        except ObjectReplaced:
            return self._download(key, part, stop)

    def _download(self, key: str, part: Path, stop: threading.Event) -> Fetched:
        """The object as it is now. Raises ObjectReplaced when it is replaced meanwhile."""
        head = self._store.head(key)
        if head is None:
            raise FetchFailed(f"{self._store.uri(key)} is not there any more")
        promised = _promised_sha256(part, head)
        with part.open("w+b", buffering=0) as file:
            if head.size:
                # A full disk is noticed here, and not after minutes of download.
                os.posix_fallocate(file.fileno(), 0, head.size)
            sha256 = _Download(self._store, key, head, file.fileno(), stop).run(self._settings)
        if sha256 != promised:
            raise ModelFileError(
                part.stem,
                f"has the sha256 {sha256} in the bucket, and {promised} was recorded when it was made: "
                "upload it again",
            )
        return Fetched(head.size, head.modified, sha256)


class _Download:
    """Every range of one object, written to one file."""

    def __init__(self, store: Store, key: str, head: Head, descriptor: int, stop: threading.Event):
        self._store, self._key, self._head, self._descriptor = store, key, head, descriptor
        self._stop = stop
        self._failure: BaseException | None = None  #: the first one; it ends all reads

    def run(self, settings: ServeSettings) -> str:
        """The file's sha256, when all of it is written."""
        size, step = self._head.size, settings.fetch_part_bytes
        ranges = [(start, min(start + step, size)) for start in range(0, size, step)]
        with ThreadPoolExecutor(settings.fetch_parts, "fetch-part", os.nice, (_NICE,)) as pool:
            reads = [pool.submit(self._read, start, end) for start, end in ranges]
            try:
                return self._hash(ranges, reads)
            except BaseException as error:
                failure = self._failure = self._failure or error
                pool.shutdown(wait=False, cancel_futures=True)
        raise failure

    def _hash(self, ranges: Sequence[tuple[int, int]], reads: Sequence[Future[None]]) -> str:
        """Follows the reads in order, so that the last range is hashed moments after it is written.

        What was written is hashed where it lies, in the page cache: one call a range, during which the
        interpreter is the readers'.
        """
        digest = hashlib.sha256()
        if not ranges:
            return digest.hexdigest()
        with mmap.mmap(self._descriptor, self._head.size, access=mmap.ACCESS_READ) as mapped:
            for (start, end), read in zip(ranges, reads, strict=True):
                read.result()
                self._check_wanted()
                with memoryview(mapped) as view, view[start:end] as written:
                    digest.update(written)
        return digest.hexdigest()

    def _read(self, at: int, end: int) -> None:
        try:
            self._read_patiently(at, end)
        except BaseException as error:
            self._failure = self._failure or error
            raise

    def _read_patiently(self, at: int, end: int) -> None:
        """One range; a connection that breaks is taken up where it broke."""
        for tries_left in reversed(range(_TRIES)):
            self._check_wanted()
            try:
                for chunk in self._store.read_range(self._key, self._head.etag, at, end):
                    self._check_wanted()
                    self._write(chunk, at)
                    at += len(chunk)
                return
            except ObjectReplaced:
                raise
            except StoreError:
                if not tries_left:
                    raise

    def _write(self, chunk: bytes, at: int) -> None:
        view = memoryview(chunk)
        while view:
            count = os.pwrite(self._descriptor, view, at)
            view, at = view[count:], at + count

    def _check_wanted(self) -> None:
        if self._stop.is_set() or self._failure is not None:
            raise FetchStopped


def _promised_sha256(part: Path, head: Head) -> str:
    promised = head.metadata.get(SHA256, "")
    if not _HEX.fullmatch(promised):
        raise ModelFileError(
            part.stem,
            f"has the metadata {SHA256}={shown(promised)} in the bucket and not its 64 hex digits, "
            "so nobody can tell whether it is whole: upload it again with its sha256 there",
        )
    return promised
