"""Model packs on their way from S3 to disk."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from webui_async.local.errors import PackUnreadable
from webui_async.local.model_data import ModelData, fetch

TAR = ModelData("art", "packs/ink.tar.gz", is_archive=True)
PREFIX = ModelData("art", "packs/ink/1/", is_archive=False)
NOISE = hashlib.shake_256(b"noise").digest(9000)


@pytest.fixture
def s3(account: Any) -> Any:
    client = account.client("s3")
    client.create_bucket(Bucket="art", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return client


def put(s3: Any, **objects: bytes) -> None:
    for key, body in objects.items():
        s3.put_object(Bucket="art", Key=key, Body=body)


def tar_of(name: str, body: bytes) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(body)
        tar.addfile(info, io.BytesIO(body))
    return data.getvalue()


def test_a_tar_is_unpacked(s3: Any, tmp_path: Path) -> None:
    put(s3, **{TAR.key: tar_of("Stable-diffusion/ink.safetensors", b"weights")})
    folder = fetch(s3, TAR, tmp_path)
    assert (folder / "Stable-diffusion" / "ink.safetensors").read_bytes() == b"weights"


def test_plain_files_under_a_prefix_keep_their_folders(s3: Any, tmp_path: Path) -> None:
    files = {"Lora/a.safetensors": b"a", "b": b"b", "manifest.json": b"{}"}
    put(s3, **{PREFIX.key + path: body for path, body in files.items()}, **{"packs/ink/10/c": b"c"})
    folder = fetch(s3, PREFIX, tmp_path)
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert found == files
    assert not [path for path in folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o222]


def test_a_pack_is_fetched_once_and_a_changed_one_anew(s3: Any, tmp_path: Path) -> None:
    put(s3, **{TAR.key: tar_of("a", b"1")})
    first = fetch(s3, TAR, tmp_path)
    assert fetch(s3, TAR, tmp_path) == first
    put(s3, **{TAR.key: tar_of("a", b"2")})
    assert (fetch(s3, TAR, tmp_path) / "a").read_bytes() == b"2"
    assert (first / "a").read_bytes() == b"1"


@pytest.mark.parametrize(
    ("data", "objects", "words"),
    [
        (TAR, {}, "cannot read s3://art/packs/ink.tar.gz"),
        (TAR, {TAR.key: b"no tar"}, "cannot unpack s3://art/packs/ink.tar.gz"),
        (TAR, {TAR.key: tar_of("a", NOISE)[:5000]}, "cannot unpack"),
        (TAR, {TAR.key: tar_of("../../evil", b"1")}, "cannot unpack"),
        (PREFIX, {}, "there is nothing under s3://art/packs/ink/1/"),
        (PREFIX, {"packs/ink/1/Lora/": b""}, "s3://art/packs/ink/1/Lora/ is a folder object"),
        (PREFIX, {"packs/ink/1/": b"", "packs/ink/1/a": b"1"}, "s3://art/packs/ink/1/ is a folder object"),
        (PREFIX, {"packs/ink/1/../../../evil": b"1"}, "has a name that no file can have"),
        (PREFIX, {"packs/ink/1/Lora//evil": b"1"}, "has a name that no file can have"),
        (PREFIX, {f"packs/ink/1/{'evil' * 64}": b"1"}, "has a name that no file can have"),
        (
            PREFIX,
            {"packs/ink/1/a": b"1", "packs/ink/1/a.b": b"1", "packs/ink/1/a/b/c": b"1"},
            "s3://art/packs/ink/1/a is a file and a folder",
        ),
    ],
    ids=[
        "no archive",
        "not an archive",
        "half an archive",
        "an archive that climbs out",
        "empty prefix",
        "folder object",
        "folder object of the pack's own",
        "a key that climbs out",
        "a folder without a name",
        "a name that is too long",
        "a name that is a file and a folder",
    ],
)
def test_a_pack_that_sagemaker_would_not_take_leaves_nothing_behind(
    s3: Any, tmp_path: Path, data: ModelData, objects: dict[str, bytes], words: str
) -> None:
    put(s3, **objects)
    with pytest.raises(PackUnreadable, match=words):
        fetch(s3, data, tmp_path / "packs")
    assert list((tmp_path / "packs").iterdir()) == []
    assert not list(tmp_path.rglob("evil"))
