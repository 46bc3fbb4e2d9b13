from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.packager.checked_trees import good_tree, put
from webui_async.contract.errors import FileChanged, WriteFailed
from webui_async.contract.manifest import Manifest
from webui_async.packager.archive import archive_size, write_archive, write_archive_file
from webui_async.packager.check import check_tree
from webui_async.packager.gzip_stream import CHUNK_BYTES
from webui_async.packager.hashes import hash_members
from webui_async.packager.members import Member, Stamp

BLOCK = 65_535


class ShortSink(io.BytesIO):
    """Takes less than it is given, as a raw file may."""

    def write(self, data: memoryview, /) -> int:  # type: ignore[override]
        return super().write(data[: 1 + len(data) // 2])


class Meddler:
    """A sink that keeps nothing, and calls back once when `after` bytes came."""

    def __init__(self, callback: Callable[[], object], after: int = CHUNK_BYTES):
        self.callback, self.left = callback, after

    def write(self, data: memoryview, /) -> int:
        if 0 < self.left <= len(data):
            self.callback()
        self.left -= len(data)
        return len(data)


class Interrupted(Exception):
    """The sink had enough."""


def member(path: Path, place: str | None = None) -> Member:
    return Member(place or f"Lora/{path.name}", path, Stamp.of(path.stat()))


def archived(members: list[Member], compress: bool = False) -> bytes:
    sink = io.BytesIO()
    write_archive(members, sink, compress=compress)
    return sink.getvalue()


def contents(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]


@pytest.mark.parametrize("compress", [False, True])
def test_plain_tar_unpacks_what_was_packed_byte_for_byte(tmp_path: Path, compress: bool) -> None:
    root = good_tree(tmp_path / "tree")
    for size in (0, 1, 511, 512, BLOCK, BLOCK + 1, CHUNK_BYTES, CHUNK_BYTES + 1):
        put(root / "Lora" / f"{size}.txt", os.urandom(size))
    report = check_tree(root)
    manifest = write_archive_file(report.members, tmp_path / "model.tar.gz", compress=compress)
    out = tmp_path / "out"
    out.mkdir()
    done = subprocess.run(["tar", "xzf", tmp_path / "model.tar.gz"], cwd=out, capture_output=True, check=True)
    assert done.stderr == b""
    for packed in report.members:
        assert (out / packed.path).read_bytes() == packed.source.read_bytes()
        assert (out / packed.path).stat().st_mode & 0o777 == 0o644
    assert Manifest.from_bytes((out / "manifest.json").read_bytes()) == manifest


def test_the_manifest_is_the_last_member_and_holds_the_hashes(tmp_path: Path) -> None:
    members = check_tree(good_tree(tmp_path)).members
    found = contents(archived(members))
    assert list(found)[-1] == "manifest.json" and list(found) == [*sorted(found)[:-1], "manifest.json"]
    manifest = Manifest.from_bytes(found["manifest.json"])
    assert manifest.form == "tar.gz" and manifest.created_at is None
    for file in manifest.files:
        assert file.sha256 == hashlib.sha256(found[file.path]).hexdigest()
        assert file.size_bytes == len(found[file.path])
    assert [file.hash for file in manifest.files] == [m.short_hash for m in hash_members(members)]


@pytest.mark.parametrize("compress", [False, True])
def test_the_same_tree_gives_the_same_bytes(tmp_path: Path, compress: bool) -> None:
    first = check_tree(good_tree(tmp_path / "a")).members
    second = check_tree(good_tree(tmp_path / "b")).members
    os.utime(second[0].source, (1, 1))
    second[0] = replace(second[0], stamp=Stamp.of(second[0].source.stat()))
    assert archived(first, compress) == archived(second[::-1], compress)


def test_the_size_is_known_to_the_byte(tmp_path: Path) -> None:
    root = good_tree(tmp_path)
    for size in (0, 1, BLOCK, BLOCK + 1, 2 * CHUNK_BYTES + 7):
        put(root / "Lora" / ("n" * 120) / f"{size}.txt", bytes(size))
    members = check_tree(root).members
    assert archive_size(members) == len(archived(members))
    assert archive_size(hash_members(members)) == archive_size(members)


def test_stored_is_hardly_longer_than_the_files(tmp_path: Path) -> None:
    path = put(tmp_path / "a", os.urandom(10_000_000))
    assert archive_size([member(path)]) < 1.0005 * path.stat().st_size


def test_files_over_8_gb_are_given_their_length(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, 9_000_000_000)
    head = io.BytesIO()

    class Sink:
        def write(self, data: memoryview, /) -> int:
            if head.tell() > tarfile.BLOCKSIZE:
                raise Interrupted
            return head.write(data)

    with pytest.raises(Interrupted):
        write_archive([member(path)], Sink())
    with gzip.GzipFile(fileobj=io.BytesIO(head.getvalue())) as stream:
        entry = tarfile.TarInfo.frombuf(stream.read(tarfile.BLOCKSIZE), "utf-8", "strict")
    assert entry.size == 9_000_000_000


def test_long_names_and_names_of_any_letters_survive(tmp_path: Path) -> None:
    names = [f"Lora/{'x' * 200}/{'y' * 120}.txt", "Lora/Tusche-墨-é.txt"]
    members = [member(put(tmp_path / str(number), b"x"), name) for number, name in enumerate(names)]
    archive = archived(members)
    assert set(contents(archive)) == {*names, "manifest.json"}
    listed = subprocess.run(
        ["tar", "tzf", "-", "--quoting-style=literal"], input=archive, capture_output=True
    )
    assert listed.stdout.decode().split() == [*sorted(names), "manifest.json"]


def test_a_sink_that_takes_less_is_given_the_rest(tmp_path: Path) -> None:
    members = check_tree(good_tree(tmp_path)).members
    sink = ShortSink()
    write_archive(members, sink)
    assert sink.getvalue() == archived(members)


def test_every_byte_is_reported_once(tmp_path: Path) -> None:
    members = check_tree(good_tree(tmp_path)).members
    done: list[int] = []
    write_archive(members, io.BytesIO(), on_bytes=done.append)
    assert sum(done) == sum(found.size_bytes for found in members)


def test_a_file_written_to_meanwhile_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    size = 3 * CHUNK_BYTES
    path = put(tmp_path / "a", bytes(size))
    with pytest.raises(FileChanged, match="was written to or replaced"):
        write_archive([member(path)], Meddler(lambda: os.utime(path, (1, 1))))
    with pytest.raises(FileChanged, match=f"was {size:,} bytes and is {size + 1:,} now"):
        write_archive([member(path)], Meddler(lambda: os.truncate(path, size + 1)))
    os.truncate(path, size)
    with pytest.raises(FileChanged, match="ends before that now"):
        write_archive([member(path)], Meddler(lambda: os.truncate(path, 2)))
    before = member(path)
    path.write_bytes(b"other")
    with pytest.raises(FileChanged):
        write_archive_file([before], tmp_path / "out.tar.gz")
    assert [found.name for found in tmp_path.iterdir()] == ["a"]


def test_a_file_of_other_content_than_was_hashed_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "a", b"x")
    with pytest.raises(FileChanged, match="holds something else than when it was hashed"):
        write_archive([replace(member(path), sha256="0" * 64)], io.BytesIO())


def test_a_disk_that_is_full_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    before = member(put(tmp_path / "a", b"x"))
    out = tmp_path / "nowhere" / "out.tar.gz"
    with pytest.raises(WriteFailed, match=r"cannot write .*out\.tar\.gz: No such file or directory"):
        write_archive_file([before], out)
    full = Path("/dev/full")
    with pytest.raises(OSError) as caught, full.open("wb", buffering=0) as sink:
        write_archive([before], sink)
    assert caught.value.errno == errno.ENOSPC


def test_an_older_archive_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    out = put(tmp_path / "out.tar.gz", b"older")
    before = member(put(tmp_path / "a", b"x"))
    (tmp_path / "a").write_bytes(b"changed")
    with pytest.raises(FileChanged):
        write_archive_file([before], out)
    assert out.read_bytes() == b"older"
    write_archive_file([member(tmp_path / "a")], out)
    assert set(contents(out.read_bytes())) == {"Lora/a", "manifest.json"}


def test_nothing_but_buffers_is_held_in_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "large"
    path.touch()
    os.truncate(path, 100_000_000)
    tracemalloc.start()
    try:
        write_archive([member(path)], Meddler(lambda: None))
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()
