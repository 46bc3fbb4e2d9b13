"""Uploads in parts: their bounds, and what a name that is taken does."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from tests.unit.packager.wire import BUCKET, Wire
from webui_async.contract.errors import NameTaken, StoreError, StoreUnreachable
from webui_async.packager.copying import copy
from webui_async.packager.multipart import MAX_PARTS, PART_BYTES, Uploader, part_bytes
from webui_async.packager.progress import Progress
from webui_async.packager.shelf import Source
from webui_async.store import Store

GB = 10**9


def data_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def send(store: Store, key: str, data: bytes, is_new: bool = False) -> None:
    with (
        Uploader(store, len(data), Progress()) as uploader,
        uploader.writing(key, {"sha256": hashlib.sha256(data).hexdigest()}, is_new) as sink,
    ):
        sink.write(data)


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, 83 * GB, 84 * GB, 200 * GB, 512 * GB])
def test_objects_of_any_size_have_parts_that_s3_takes_and_buffers_that_fit(size: int, store: Store) -> None:
    assert -(-size // part_bytes(size)) <= MAX_PARTS
    with Uploader(store, size, Progress()) as uploader:
        assert uploader.buffers.qsize() * part_bytes(size) <= 110e6


@pytest.mark.parametrize("size", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES])
def test_every_byte_arrives_at_the_edges_of_parts(store: Store, size: int) -> None:
    data = data_of(size)
    send(store, "a", data)
    assert store.get_bytes("a") == data


def test_what_is_written_in_pieces_arrives_in_order(store: Store) -> None:
    data = data_of(PART_BYTES + 100_000)
    with Uploader(store, len(data), Progress()) as uploader, uploader.writing("a", {}) as sink:
        for start in range(0, len(data), 77_777):
            sink.write(memoryview(data)[start : start + 77_777])
    assert store.get_bytes("a") == data and sink.size_bytes == len(data)


@pytest.mark.parametrize("size", [10, PART_BYTES + 1])
def test_a_new_object_is_not_written_over_another(wire: Wire, store: Store, size: int) -> None:
    store.put_bytes("a", b"first", "text/plain")
    with pytest.raises(NameTaken, match="s3://art/a is there already"):
        send(store, "a", data_of(size), is_new=True)
    assert store.get_bytes("a") == b"first"
    assert "Uploads" not in wire.client.list_multipart_uploads(Bucket=BUCKET)


@pytest.mark.parametrize("size", [10, PART_BYTES + 1])
def test_a_new_object_that_has_arrived_before_is_no_other(store: Store, size: int) -> None:
    send(store, "a", data_of(size), is_new=True)
    send(store, "a", data_of(size), is_new=True)  # as after an answer that was lost
    assert store.get_bytes("a") == data_of(size)


@pytest.mark.parametrize("is_new", [False, True])
def test_the_parts_of_what_cannot_go_on_do_not_stay(wire: Wire, store: Store, is_new: bool) -> None:
    wire.left = 1
    with pytest.raises(StoreUnreachable):
        send(store, "a", data_of(2 * PART_BYTES), is_new)
    assert "Uploads" not in wire.client.list_multipart_uploads(Bucket=BUCKET)


def test_uploads_that_are_stopped_end_and_keep_their_parts(wire: Wire, store: Store) -> None:
    data = data_of(3 * PART_BYTES)
    with (
        pytest.raises(StoreError, match="the upload was stopped"),
        Uploader(store, len(data), Progress(), unfinished={}) as uploader,
        uploader.writing("a", {}) as sink,
    ):
        sink.write(data[: PART_BYTES + 1])
        uploader.stop()
        sink.write(data[PART_BYTES + 1 :])
    assert len(wire.client.list_multipart_uploads(Bucket=BUCKET)["Uploads"]) == 1


@pytest.mark.parametrize("left", [0, 1, 2])
def test_every_buffer_is_free_again_after_a_failure(wire: Wire, store: Store, left: int) -> None:
    wire.left = left
    with Uploader(store, 0, Progress()) as uploader:
        before = uploader.buffers.qsize()
        with pytest.raises(StoreUnreachable), uploader.writing("a", {}) as sink:
            sink.write(data_of(4 * PART_BYTES))
        assert uploader.buffers.qsize() == before


def test_a_large_object_is_copied_in_parts(wire: Wire, store: Store) -> None:
    data = data_of(3 * PART_BYTES)
    store.put_bytes("a", data, "text/plain")
    head = store.head("a")
    assert head is not None
    wire.forget()
    copy(store, Source("a", head.size, head.etag), "b", "0" * 64, PART_BYTES, PART_BYTES)
    assert store.get_bytes("b") == data and wire.sent_bytes == 0
    copied = store.head("b")
    assert copied is not None and copied.metadata == {"sha256": "0" * 64}


@pytest.mark.parametrize("most_at_once", [5 << 30, 1])
def test_a_copy_of_what_is_gone_is_told_and_leaves_nothing(
    wire: Wire, store: Store, most_at_once: int
) -> None:
    with pytest.raises(StoreError):
        copy(store, Source("a", 10, '"0"'), "b", "0" * 64, most_at_once)
    assert not store.exists("b") and "Uploads" not in wire.client.list_multipart_uploads(Bucket=BUCKET)


def test_a_file_is_read_as_it_is_written(tmp_path: Path, store: Store) -> None:
    data, digest = data_of(PART_BYTES + 12_345), hashlib.sha256()
    path = tmp_path / "a"
    path.write_bytes(data)
    with (
        Uploader(store, len(data), Progress()) as uploader,
        uploader.writing("a", {}) as sink,
        path.open("rb", buffering=0) as file,
    ):
        sink.read_from(file, digest)
    assert store.get_bytes("a") == data and digest.digest() == hashlib.sha256(data).digest()
