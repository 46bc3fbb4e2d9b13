"""Pushing: what arrives, what is not sent twice, and what is never published."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.unit.model_files.weights import SD1_LORA
from tests.unit.packager.random_trees import CHECKPOINT, files_of, write_model, write_tree
from tests.unit.packager.wire import BUCKET, Wire
from webui_async.contract.errors import (
    BytesDiffer,
    FileChanged,
    InvalidPayload,
    PackRefused,
    StoreError,
    StoreUnreachable,
)
from webui_async.contract.manifest import Manifest
from webui_async.packager.places import PackPlace
from webui_async.packager.progress import Progress
from webui_async.packager.push import Pushed, push
from webui_async.store import Store

PLACE = PackPlace(BUCKET, "ink")
FORMS = ("prefix", "tar.gz")
#: Three parts: two whole ones and a rest.
THREE_PARTS = 10_000_000


def push_ink(root: Path, wire: Wire, form: str = "prefix", **options: Any) -> Pushed:
    return push(root, PLACE, wire.client, form=form, now=lambda: 1_800_000_000.0, **options)


def held(store: Store) -> dict[str, bytes]:
    """key -> bytes of everything in the bucket."""
    return {entry.key: store.get_bytes(entry.key) or b"" for entry in store.list("")}


def unfinished(wire: Wire) -> list[str]:
    answer = wire.client.list_multipart_uploads(Bucket=BUCKET)
    return [upload["Key"] for upload in answer.get("Uploads", ())]


class Watching(Progress):
    """Does something to the files when the sending begins, and remembers what it was told."""

    def __init__(self, act: Any = None):
        self.act, self.done_bytes, self.kept_bytes = act, 0, 0

    def start(self, what: str, total_bytes: int) -> None:
        self.done_bytes = self.kept_bytes = 0
        self.total = total_bytes
        if what == "sending" and self.act:
            self.act()

    def done(self, count: int) -> None:
        self.done_bytes += count

    def kept(self, count: int) -> None:
        self.kept_bytes += count


def test_every_file_is_an_object_with_its_bytes_and_its_sha256(
    tmp_path: Path, wire: Wire, store: Store
) -> None:
    root = write_tree(tmp_path, loras=2, checkpoint_numbers=THREE_PARTS)
    pushed = push_ink(root, wire)
    objects = held(store)
    prefix = f"packs/ink/{pushed.version}/"
    manifest = Manifest.from_bytes(objects.pop(f"{prefix}manifest.json"))
    assert objects == {prefix + path: data for path, data in files_of(root).items()}
    assert pushed.uri == f"s3://{BUCKET}/{prefix}" and manifest.version == pushed.version
    for file in manifest.files:
        head = store.head(prefix + file.path)
        assert head is not None and head.metadata == {"sha256": file.sha256}


def test_an_archive_unpacks_into_what_was_pushed(tmp_path: Path, wire: Wire, store: Store) -> None:
    root = write_tree(tmp_path / "tree", loras=2, checkpoint_numbers=THREE_PARTS)
    pushed = push_ink(root, wire, "tar.gz")
    assert pushed.uri == f"s3://{BUCKET}/packs/ink/{pushed.version}-tar.gz/model.tar.gz"
    data = store.get_bytes(pushed.uri.removeprefix(f"s3://{BUCKET}/"))
    with tarfile.open(fileobj=io.BytesIO(data or b"")) as archive:
        archive.extractall(tmp_path / "out", filter="data")
    (tmp_path / "out" / "manifest.json").unlink()
    assert files_of(tmp_path / "out") == files_of(root)


def test_a_deflated_archive_unpacks_too(tmp_path: Path, wire: Wire, store: Store) -> None:
    root = write_tree(tmp_path / "tree")
    pushed = push_ink(root, wire, "tar.gz", compress=True)
    data = store.get_bytes(pushed.uri.removeprefix(f"s3://{BUCKET}/")) or b""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        member = archive.extractfile(CHECKPOINT)
        assert member is not None and member.read() == (root / CHECKPOINT).read_bytes()


def test_plain_files_are_not_compressed(tmp_path: Path, wire: Wire) -> None:
    with pytest.raises(InvalidPayload, match=r"say --form tar\.gz"):
        push_ink(write_tree(tmp_path), wire, compress=True)


@pytest.mark.parametrize("form", FORMS)
def test_the_manifest_is_the_last_thing_written(tmp_path: Path, wire: Wire, form: str) -> None:
    push_ink(write_tree(tmp_path, loras=3, checkpoint_numbers=THREE_PARTS), wire, form)
    assert wire.writes[-1].endswith("/manifest.json")
    assert sum("manifest.json" in request for request in wire.writes) == 1


@pytest.mark.parametrize("form", FORMS)
def test_the_same_pack_again_writes_nothing(tmp_path: Path, wire: Wire, form: str) -> None:
    root = write_tree(tmp_path, loras=1)
    first = push_ink(root, wire, form)
    wire.forget()
    second = push_ink(root, wire, form)
    assert not first.was_there and second.was_there
    assert (second.uri, second.version) == (first.uri, first.version)
    assert wire.writes == []


def test_both_forms_of_a_pack_lie_apart(tmp_path: Path, wire: Wire, store: Store) -> None:
    root = write_tree(tmp_path)
    prefix, archive = push_ink(root, wire), push_ink(root, wire, "tar.gz")
    assert prefix.version == archive.version
    assert not any("tar.gz" in key for key in held(store) if f"s3://{BUCKET}/{key}".startswith(prefix.uri))


def test_a_second_push_with_one_of_ten_files_changed_moves_only_that_file(
    tmp_path: Path, wire: Wire, store: Store
) -> None:
    root = write_tree(tmp_path, loras=9)
    first = push_ink(root, wire)
    wire.forget()
    changed = write_model(root / "Lora/style-4.safetensors", SD1_LORA, seed=1, more_numbers=5000)
    second = push_ink(root, wire)
    manifest = store.get_bytes(f"packs/ink/{second.version}/manifest.json")
    assert second.version != first.version and manifest is not None
    assert wire.sent_bytes == changed.stat().st_size + len(manifest)
    assert second.moved.sent_bytes == changed.stat().st_size
    objects = held(store)
    for version, is_new in ((first.version, False), (second.version, True)):
        data = objects[f"packs/ink/{version}/Lora/style-4.safetensors"]
        assert (data == changed.read_bytes()) is is_new
    assert objects[f"packs/ink/{second.version}/{CHECKPOINT}"] == (root / CHECKPOINT).read_bytes()


def test_a_renamed_file_is_copied_inside_s3(tmp_path: Path, wire: Wire, store: Store) -> None:
    root = write_tree(tmp_path, loras=1)
    push_ink(root, wire)
    (root / "Lora/style-0.safetensors").rename(root / "Lora/brush.safetensors")
    second = push_ink(root, wire)
    assert second.moved.sent_bytes == 0
    key = f"packs/ink/{second.version}/Lora/brush.safetensors"
    assert held(store)[key] == (root / "Lora/brush.safetensors").read_bytes()


@pytest.mark.parametrize("form", FORMS)
def test_a_bad_tree_is_refused_before_any_request(tmp_path: Path, wire: Wire, form: str) -> None:
    root = write_tree(tmp_path)
    os.truncate(root / CHECKPOINT, 1000)
    with pytest.raises(PackRefused, match=r"ink\.safetensors"):
        push_ink(root, wire, form)
    assert wire.requests[1:] == [], "the first request made the bucket"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("keeps_its_times", [False, True])
def test_a_file_that_changes_while_it_is_sent_publishes_nothing(
    tmp_path: Path, wire: Wire, store: Store, form: str, keeps_its_times: bool
) -> None:
    root = write_tree(tmp_path, checkpoint_numbers=THREE_PARTS)
    path = root / CHECKPOINT

    def change() -> None:
        times = path.stat().st_atime_ns, path.stat().st_mtime_ns
        with path.open("r+b") as file:
            file.seek(-1000, os.SEEK_END)
            file.write(b"something else")
        if keeps_its_times:
            os.utime(path, ns=times)

    with pytest.raises(FileChanged, match=r"ink\.safetensors"):
        push_ink(root, wire, form, progress=Watching(change))
    assert held(store) == {} and unfinished(wire) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_is_gone_when_it_is_sent_publishes_nothing(
    tmp_path: Path, wire: Wire, store: Store, form: str
) -> None:
    root = write_tree(tmp_path)
    with pytest.raises(FileChanged, match="not there any more"):
        push_ink(root, wire, form, progress=Watching((root / CHECKPOINT).unlink))
    assert held(store) == {}


@pytest.mark.parametrize("form", FORMS)
def test_a_push_that_the_network_broke_off_goes_on_with_the_next_part(
    tmp_path: Path, wire: Wire, store: Store, form: str
) -> None:
    root = write_tree(tmp_path, checkpoint_numbers=THREE_PARTS)
    wire.left = 2
    with pytest.raises(StoreUnreachable, match="goes on where it stopped"):
        push_ink(root, wire, form)
    assert held(store) == {} and len(unfinished(wire)) == 1
    first, watching = wire.sent_bytes, Watching()
    wire.forget()
    pushed = push_ink(root, wire, form, progress=watching)
    size = sum(entry.size for entry in store.list(pushed.uri.removeprefix(f"s3://{BUCKET}/")))
    manifest = (
        0 if form == "tar.gz" else len(store.get_bytes(f"packs/ink/{pushed.version}/manifest.json") or b"")
    )
    assert pushed.moved.kept_bytes == first == watching.kept_bytes
    assert pushed.moved.sent_bytes == size - manifest - first == watching.done_bytes
    assert watching.total == size - manifest
    assert unfinished(wire) == []


def test_files_that_arrived_before_the_network_broke_off_are_not_sent_again(
    tmp_path: Path, wire: Wire, store: Store
) -> None:
    root = write_tree(tmp_path, loras=4)
    wire.left = 3
    with pytest.raises(StoreUnreachable):
        push_ink(root, wire)
    arrived = sum(map(len, held(store).values()))
    assert arrived == wire.sent_bytes > 0
    wire.forget()
    pushed = push_ink(root, wire)
    assert pushed.moved.kept_bytes == arrived
    assert pushed.moved.sent_bytes == sum(map(len, files_of(root).values())) - arrived


def test_a_pack_that_changed_after_the_network_broke_off_reuses_what_arrived(
    tmp_path: Path, wire: Wire
) -> None:
    root = write_tree(tmp_path, loras=1)
    wire.cut = "Lora/"
    with pytest.raises(StoreUnreachable):
        push_ink(root, wire)
    wire.forget()
    size = write_model(root / "Lora/style-0.safetensors", SD1_LORA, seed=1, more_numbers=5000).stat().st_size
    pushed = push_ink(root, wire)
    assert pushed.moved.sent_bytes == size and pushed.moved.copied_bytes == (root / CHECKPOINT).stat().st_size


def test_parts_of_other_bytes_are_sent_again(tmp_path: Path, wire: Wire, store: Store) -> None:
    root = write_tree(tmp_path, checkpoint_numbers=THREE_PARTS)
    wire.left = 2
    with pytest.raises(StoreUnreachable):
        push_ink(root, wire)
    (upload,) = wire.client.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    wire.left = None
    place = {"Bucket": BUCKET, "Key": upload["Key"], "UploadId": upload["UploadId"]}
    arrived = wire.client.list_parts(**place)["Parts"]  # any two of the three: they are sent side by side
    for part in arrived:
        wire.client.upload_part(**place, PartNumber=part["PartNumber"], Body=b"?" * part["Size"])
    assert len(arrived) == 2
    pushed = push_ink(root, wire)
    assert pushed.moved.kept_bytes == 0
    assert held(store)[upload["Key"]] == (root / CHECKPOINT).read_bytes()


@pytest.mark.parametrize("operation", ["UploadPart", "PutObject", "CompleteMultipartUpload"])
def test_another_checksum_than_ours_in_s3s_answer_publishes_nothing(
    tmp_path: Path, wire: Wire, store: Store, operation: str
) -> None:
    numbers = 0 if operation == "PutObject" else THREE_PARTS
    root = write_tree(tmp_path, checkpoint_numbers=numbers)

    def tell_another(parsed: dict[str, Any], **_: Any) -> None:
        parsed["ChecksumCRC32"] = "AAAAAA=="

    wire.client.meta.events.register(f"after-call.s3.{operation}", tell_another)
    with pytest.raises(BytesDiffer, match="AAAAAA=="):
        push_ink(root, wire)
    assert held(store) == {}


def test_an_object_that_is_no_file_of_the_pack_keeps_it_from_being_published(
    tmp_path: Path, wire: Wire, store: Store
) -> None:
    root = write_tree(tmp_path)
    version = push_ink(root, wire).version
    wire.client.delete_object(Bucket=BUCKET, Key=f"packs/ink/{version}/manifest.json")
    wire.client.put_object(Bucket=BUCKET, Key=f"packs/ink/{version}/Lora/")
    with pytest.raises(StoreError, match=r"Lora/ is no file of this pack.*nothing was published"):
        push_ink(root, wire)
    assert not store.exists(f"packs/ink/{version}/manifest.json")


def test_an_archive_whose_manifest_did_not_arrive_is_not_sent_again(tmp_path: Path, wire: Wire) -> None:
    root = write_tree(tmp_path, checkpoint_numbers=THREE_PARTS)
    wire.cut = "manifest.json"
    with pytest.raises(StoreUnreachable, match="manifest"):
        push_ink(root, wire, "tar.gz")
    wire.forget()
    pushed = push_ink(root, wire, "tar.gz")
    assert not pushed.was_there and pushed.moved.sent_bytes == 0
    assert len(wire.writes) == 1 and wire.sent_bytes < 2000


def test_an_upload_that_somebody_else_finished_meanwhile_is_no_failure(tmp_path: Path, wire: Wire) -> None:
    def lose_the_answer(parsed: dict[str, Any], http_response: Any, **_: Any) -> None:
        http_response.status_code = 404
        parsed["Error"] = {"Code": "NoSuchUpload", "Message": "The upload does not exist"}

    wire.client.meta.events.register("after-call.s3.CompleteMultipartUpload", lose_the_answer)
    assert not push_ink(write_tree(tmp_path, checkpoint_numbers=THREE_PARTS), wire).was_there


def test_the_manifest_tells_when_the_pack_was_made(tmp_path: Path, wire: Wire, store: Store) -> None:
    pushed = push_ink(write_tree(tmp_path), wire)
    document = json.loads(store.get_bytes(f"packs/ink/{pushed.version}/manifest.json") or b"")
    assert document["created_at"] == "2027-01-15T08:00:00.000Z" and document["form"] == "prefix"
