"""Objects of any size, in parts that are sent side by side, from a fixed amount of memory.

Of an upload that broke off the parts are made again, compared by their checksums, and not sent again.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from io import FileIO
from types import TracebackType
from typing import Protocol

from webui_async.contract.errors import StoreError
from webui_async.packager.progress import Progress
from webui_async.packager.s3_object import Part, S3Object, crc32_of
from webui_async.store import Store

#: Of all buffers together.
MEMORY_BYTES = 96 << 20
#: Small enough that little is sent twice, large enough that a request costs little beside its bytes.
PART_BYTES = 8 << 20
#: S3's own bound.
MAX_PARTS = 10_000
#: One is filled while the other is sent.
_FEWEST_BUFFERS = 2
_MIB = 1 << 20
#: Read and hashed at a time: stays in the processor's cache.
_CHUNK_BYTES = 1 << 18


class Digest(Protocol):
    """What hashlib makes."""

    def update(self, data: memoryview, /) -> None:
        """Takes the next bytes."""


def part_bytes(object_bytes: int) -> int:
    """How large the parts of an object of that size are."""
    least = -(-object_bytes // MAX_PARTS)
    return max(PART_BYTES, -(-least // _MIB) * _MIB)


class Uploader:
    """The buffers and threads that uploads share. Use it in a `with`.

    largest_bytes: of the objects to come, or more.
    unfinished: key -> id of an upload to go on with. With it, the parts of what S3 or the network breaks off
    stay for the next run; without it nothing stays, as for keys that do not say what their bytes are.
    """

    def __init__(
        self,
        store: Store,
        largest_bytes: int,
        progress: Progress,
        unfinished: Mapping[str, str] | None = None,
    ):
        self._store, self.progress, self._unfinished = store, progress, unfinished
        size = part_bytes(largest_bytes)
        count = max(_FEWEST_BUFFERS, MEMORY_BYTES // size)
        self.buffers: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        for _ in range(count):
            self.buffers.put(bytearray(size))
        self.threads = ThreadPoolExecutor(count, thread_name_prefix="part")
        self.is_stopped = threading.Event()
        self.sent_bytes = 0  #: without what was there already
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Every upload ends with StoreError as soon as the parts under way are sent."""
        self.is_stopped.set()

    def __enter__(self) -> Uploader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.threads.shutdown()

    def count(self, sent_bytes: int) -> None:
        """Bytes have arrived in S3. May be called from any thread."""
        with self._lock:
            self.sent_bytes += sent_bytes
        self.progress.done(sent_bytes)

    @contextlib.contextmanager
    def writing(self, key: str, metadata: Mapping[str, str], is_new: bool = False) -> Iterator[Upload]:
        """A sink whose bytes are the object at `key` once the block has ended well, and nothing before.

        Raises StoreError, and NameTaken when it `is_new` and something else is there.
        """
        target = S3Object(self._store, key, metadata, is_new)
        upload = Upload(self, target, (self._unfinished or {}).get(key))
        try:
            yield upload
            upload.finish()
        except BaseException as error:
            upload.stop()
            if self._unfinished is None or not isinstance(error, (StoreError, KeyboardInterrupt)):
                target.abort()
            raise


class Upload:
    """The bytes of one object, given in order by one thread."""

    def __init__(self, uploader: Uploader, target: S3Object, upload_id: str | None):
        self._uploader, self._target, self._upload_id = uploader, target, upload_id
        self._held: dict[int, Part] = {}  #: by number, of an earlier run
        self._sends: list[Future[Part]] = []
        self._failure: BaseException | None = None  #: the first of all
        self._buffer, self._filled = uploader.buffers.get(), 0
        self.size_bytes = 0

    def write(self, data: bytes | memoryview) -> int:
        """Takes the next bytes, and waits while all buffers are full."""
        view = memoryview(data)
        while view:
            room = self._room()
            taken = view[: len(room)]
            room[: len(taken)] = taken
            self._filled += len(taken)
            view = view[len(taken) :]
        return len(data)

    def read_from(self, file: FileIO, digest: Digest) -> None:
        """Takes all that `file` has, straight into the buffers; `digest` is fed with it."""
        while count := file.readinto(room := self._room()[:_CHUNK_BYTES]):
            digest.update(room[:count])
            self._filled += count

    def finish(self) -> None:
        """The object is there, and S3 has its very bytes."""
        if self._sends:
            self._send()
            wait(self._sends)
            self._check()
            self._target.complete([send.result() for send in self._sends])
            return
        self.size_bytes = self._filled
        self._target.put(bytes(memoryview(self._buffer)[: self._filled]))
        self._uploader.count(self._filled)
        self._free()

    def stop(self) -> None:
        """Nothing of it is sent any more, and its buffers are free."""
        self._failure = self._failure or StoreError(f"{self._target.uri}: the upload was stopped")
        wait(self._sends)
        self._free()

    def _check(self) -> None:
        """Raises what went wrong with a part, and StoreError once all uploads are stopped."""
        if self._failure is not None:
            raise self._failure
        if self._uploader.is_stopped.is_set():
            raise StoreError(f"{self._target.uri}: the upload was stopped")

    def _room(self) -> memoryview:
        """What is free of the buffer; of the next one when this one is full."""
        if self._filled == len(self._buffer):
            self._send()
            self._buffer, self._filled = self._uploader.buffers.get(), 0
        return memoryview(self._buffer)[self._filled :]

    def _send(self) -> None:
        """The buffer is a part on its way, and not ours any more."""
        self._check()
        if not self._sends:
            self._begin()
        number, buffer, filled = len(self._sends) + 1, self._buffer, self._filled
        self._buffer, self._filled = bytearray(), 0
        self.size_bytes += filled
        self._sends.append(self._uploader.threads.submit(self._send_part, number, buffer, filled))

    def _begin(self) -> None:
        if self._upload_id:
            self._held = self._target.go_on(self._upload_id)
        else:
            self._target.begin()

    def _send_part(self, number: int, buffer: bytearray, filled: int) -> Part:
        """The part as S3 has it. Whatever happens, the buffer is free afterwards."""
        try:
            self._check()
            # A whole buffer is sent from where it lies: only an object's last part is copied.
            return self._sent(number, buffer if filled == len(buffer) else buffer[:filled])
        except BaseException as error:
            self._failure = self._failure or error
            raise
        finally:
            self._uploader.buffers.put(buffer)

    def _sent(self, number: int, body: bytes | bytearray) -> Part:
        crc32, held = crc32_of(body), self._held.get(number)
        if held is not None and (held.size_bytes, held.crc32) == (len(body), crc32):
            self._uploader.progress.kept(len(body))
            return held
        part = self._target.send(number, body, crc32)
        self._uploader.count(len(body))
        return part

    def _free(self) -> None:
        if self._buffer:
            self._uploader.buffers.put(self._buffer)
            self._buffer, self._filled = bytearray(), 0
