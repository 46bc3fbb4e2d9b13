"""One file from the bucket to the disk: whole, verified, or not there at all."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import threading
from pathlib import Path

import pytest

from serve.fetch import Fetched, Fetcher, FetchStopped
from tests.unit.serve.bucket import MODIFIED, Bucket
from webui_async.contract.errors import DiskFull, FetchFailed, ModelFileError, StoreError
from webui_async.contract.settings import ServeSettings

KEY = "models/Lora/ink.safetensors"
DATA = random.Random(1).randbytes(1_000_003)


@pytest.fixture
def bucket() -> Bucket:
    bucket = Bucket()
    bucket.put(KEY, DATA)
    return bucket


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "Lora" / "ink.safetensors"


def fetch(bucket: Bucket, path: Path, stop: threading.Event | None = None, **changes: int) -> Fetched:
    parts = {"fetch_parts": 4, "fetch_part_bytes": 100_000} | changes
    settings = ServeSettings("art", "ink", fetched_dir=str(path.parent.parent), **parts)  # type: ignore[arg-type]
    return Fetcher(bucket, settings).fetch(KEY, path, stop or threading.Event())


def assert_nothing_is_left(path: Path) -> None:
    assert not path.parent.exists() or list(path.parent.iterdir()) == []


@pytest.mark.parametrize("part_bytes", [1, 333, 1000, 1003, 1004, 5000])
def test_a_file_is_the_objects_bytes_whatever_the_ranges(bucket: Bucket, path: Path, part_bytes: int) -> None:
    bucket.put(KEY, DATA[:1003])
    fetched = fetch(bucket, path, fetch_part_bytes=part_bytes)
    assert path.read_bytes() == DATA[:1003]
    assert fetched == Fetched(1003, MODIFIED, hashlib.sha256(DATA[:1003]).hexdigest())
    starts = sorted(start for start, _ in bucket.ranges)
    assert starts == list(range(0, 1003, part_bytes))


def test_a_large_file_comes_in_parallel_ranges(bucket: Bucket, path: Path) -> None:
    together = threading.Barrier(4, timeout=10)
    bucket.on_chunk = lambda at: together.wait() if at in (0, 100_000, 200_000, 300_000) else None
    fetch(bucket, path)
    assert path.read_bytes() == DATA


def test_a_fetched_file_is_the_engines_to_read_and_as_old_as_the_object(bucket: Bucket, path: Path) -> None:
    fetch(bucket, path)
    assert path.stat().st_mtime == MODIFIED and path.stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_readers_give_way_to_the_engine_and_nobody_else_does(bucket: Bucket, path: Path) -> None:
    before, seen = os.nice(0), set()
    bucket.on_chunk = lambda at: seen.add(os.nice(0))
    fetch(bucket, path)
    assert seen == {min(before + 10, 19)} and os.nice(0) == before


def test_an_empty_object_is_an_empty_file(bucket: Bucket, path: Path) -> None:
    bucket.put(KEY, b"")
    assert fetch(bucket, path).size_bytes == 0 and path.read_bytes() == b""


def test_a_file_is_not_there_before_it_is_whole(bucket: Bucket, path: Path) -> None:
    seen = []
    bucket.on_chunk = lambda at: seen.append(path.exists())
    fetch(bucket, path)
    assert seen and not any(seen)


@pytest.mark.parametrize("promised", ["", "0" * 63, "F" * 64, "wrong"])
def test_an_object_without_its_sha256_is_refused_unread(bucket: Bucket, path: Path, promised: str) -> None:
    bucket.put(KEY, DATA, sha256=promised)
    with pytest.raises(ModelFileError, match=r"ink\.safetensors has the metadata sha256=.*upload it again"):
        fetch(bucket, path)
    assert bucket.ranges == []
    assert_nothing_is_left(path)


def test_an_object_with_another_sha256_is_refused(bucket: Bucket, path: Path) -> None:
    bucket.put(KEY, DATA[:-1] + b"?", sha256=hashlib.sha256(DATA).hexdigest())
    with pytest.raises(ModelFileError, match=r"ink\.safetensors has the sha256 .* was recorded"):
        fetch(bucket, path)
    assert_nothing_is_left(path)


def test_an_object_that_is_not_there_is_said_to_be_gone(bucket: Bucket, path: Path) -> None:
    bucket.objects.clear()
    with pytest.raises(FetchFailed, match=r"s3://art/models/Lora/ink\.safetensors is not there any more"):
        fetch(bucket, path)
    assert_nothing_is_left(path)


def test_a_connection_that_breaks_is_taken_up_where_it_broke(bucket: Bucket, path: Path) -> None:
    broken = []

    def break_once(at: int) -> None:
        if at == 150_000 and not broken:
            broken.append(at)
            raise StoreError("the connection broke")

    bucket.on_chunk = break_once
    fetch(bucket, path)
    assert path.read_bytes() == DATA and (150_000, 200_000) in bucket.ranges


def test_a_connection_that_breaks_again_and_again_is_an_error(bucket: Bucket, path: Path) -> None:
    def break_always(at: int) -> None:
        if at == 150_000:
            raise StoreError("the connection broke")

    bucket.on_chunk = break_always
    with pytest.raises(FetchFailed, match="could not be fetched: the connection broke") as failed:
        fetch(bucket, path)
    assert isinstance(failed.value.__cause__, StoreError)
    assert bucket.ranges.count((150_000, 200_000)) == 2  # and once from the range's start
    assert_nothing_is_left(path)


def test_a_bucket_that_refuses_is_an_error_with_the_cause(bucket: Bucket, path: Path) -> None:
    bucket.refusal = StoreError("AccessDenied")
    with pytest.raises(FetchFailed, match="could not be fetched: AccessDenied"):
        fetch(bucket, path)
    assert_nothing_is_left(path)


def test_a_range_that_fails_ends_the_others(bucket: Bucket, path: Path) -> None:
    def break_off(at: int) -> None:
        raise StoreError("the connection broke")

    bucket.on_chunk = break_off
    with pytest.raises(FetchFailed, match="the connection broke"):
        fetch(bucket, path, fetch_parts=1)
    assert set(bucket.ranges) == {(0, 100_000)}


def test_an_object_that_is_replaced_meanwhile_is_fetched_anew(bucket: Bucket, path: Path) -> None:
    later = DATA[::-1] + b"more"

    def replace_once(at: int) -> None:
        if at == 500_000 and bucket.objects[KEY].data == DATA:
            bucket.put(KEY, later, modified=MODIFIED + 5)

    bucket.on_chunk = replace_once
    fetched = fetch(bucket, path)
    assert path.read_bytes() == later and fetched.modified == MODIFIED + 5


def test_an_object_that_is_replaced_twice_is_an_error(bucket: Bucket, path: Path) -> None:
    versions = iter(range(1, 1000))

    def replace(at: int) -> None:
        if at == 500_000:
            bucket.put(KEY, DATA, modified=MODIFIED + next(versions))

    bucket.on_chunk = replace
    with pytest.raises(FetchFailed, match="was replaced"):
        fetch(bucket, path)
    assert bucket.downloads == 2
    assert_nothing_is_left(path)


def test_an_object_that_is_removed_meanwhile_is_said_to_be_gone(bucket: Bucket, path: Path) -> None:
    bucket.on_chunk = lambda at: bucket.objects.clear()
    with pytest.raises(FetchFailed, match="not there any more"):
        fetch(bucket, path)
    assert_nothing_is_left(path)


@pytest.mark.parametrize("call", ["posix_fallocate", "pwrite"])
def test_a_full_disk_is_an_error_that_says_what_to_do(
    bucket: Bucket, path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(DiskFull, match=r"No space left on device.*WEBUI_ASYNC_FETCH_BUDGET_BYTES"):
        fetch(bucket, path)
    assert_nothing_is_left(path)


def test_a_place_that_cannot_be_written_is_an_error(bucket: Bucket, path: Path) -> None:
    path.parent.write_bytes(b"a file where the folder should be")
    with pytest.raises(FetchFailed, match="could not be written"):
        fetch(bucket, path)


def test_writes_that_take_a_part_are_carried_on(
    bucket: Bucket, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: whole(file, data[:7], at))
    bucket.put(KEY, DATA[:5000])
    fetch(bucket, path)
    assert path.read_bytes() == DATA[:5000]


def test_a_fetch_that_nobody_wants_stops(bucket: Bucket, path: Path) -> None:
    stop = threading.Event()
    bucket.on_chunk = lambda at: stop.set() if at == 20_000 else None
    with pytest.raises(FetchStopped):
        fetch(bucket, path, stop, fetch_parts=1)
    assert bucket.ranges == [(0, 100_000)]
    assert_nothing_is_left(path)
