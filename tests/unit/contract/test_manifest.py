from __future__ import annotations

import hashlib
from typing import Any

import pytest

from webui_async.contract.errors import BadManifest
from webui_async.contract.manifest import Manifest, ManifestFile, version_of

CHECKPOINT = ManifestFile(
    "Stable-diffusion/photo.safetensors", 2_132_625_894, "a" * 64, "checkpoint", "SD1", "fp16", "a" * 10
)
PREVIEW = ManifestFile("Lora/ink.png", 0, "b" * 64)
MANIFEST = Manifest("prefix", (PREVIEW, CHECKPOINT), 1_763_654_572.123)


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert Manifest.from_bytes(MANIFEST.to_bytes()) == MANIFEST
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST
    assert MANIFEST.size_bytes == CHECKPOINT.size_bytes
    inside = Manifest("tar.gz", MANIFEST.files)
    assert Manifest.from_bytes(inside.to_bytes()) == inside


def test_the_version_is_the_address_of_the_content() -> None:
    lines = f"{'b' * 64}  Lora/ink.png\n{'a' * 64}  Stable-diffusion/photo.safetensors\n"
    assert MANIFEST.version == hashlib.sha256(lines.encode()).hexdigest()[:12]
    assert version_of((CHECKPOINT, PREVIEW)) == MANIFEST.version
    assert Manifest("tar.gz", MANIFEST.files).version == MANIFEST.version
    other = ManifestFile(PREVIEW.path, 0, "c" * 64)
    assert version_of((other, CHECKPOINT)) != MANIFEST.version


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("format", 2, "format is 2; this release reads 1"),
        ("format", True, "format is true; this release reads 1"),
        ("form", "zip", 'form is "zip"; it must be one of prefix, tar.gz'),
        ("form", ["prefix"], "it must be one of prefix, tar.gz"),
        ("version", "0" * 12, 'version is "000000000000"; its files make'),
        ("created_at", "yesterday", 'created_at is "yesterday"; it must be an ISO 8601 time'),
        ("created_at", 5, "created_at is 5; it must be an ISO 8601 time"),
        ("files", {}, "files is {}; it must be a list"),
        ("files", [5], "files[0] is 5; it must be an object"),
        ("files", [{}], "files[0] is []; it must have the fields path, size_bytes"),
    ],
)
def test_a_field_that_is_wrong_is_named_with_its_value(field: str, value: Any, told: str) -> None:
    with pytest.raises(BadManifest) as caught:
        Manifest.from_json(MANIFEST.to_json() | {field: value})
    assert told in str(caught.value) and str(caught.value).endswith("Push the pack again")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("path", "/etc/passwd", "it must be a place below the pack"),
        ("path", "Lora/../../x", "it must be a place below the pack"),
        ("path", "", "it must be a place below the pack"),
        ("path", None, "it must be a place below the pack"),
        ("size_bytes", -1, "it must be a whole number, 0 or more"),
        ("size_bytes", True, "it must be a whole number, 0 or more"),
        ("size_bytes", 1.5, "it must be a whole number, 0 or more"),
        ("sha256", "A" * 64, "it must be 64 hex digits"),
        ("sha256", "b" * 63, "it must be 64 hex digits"),
        ("type", 5, "it must be a text or null"),
        ("hash", [], "it must be a text or null"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_its_field(field: str, value: Any, told: str) -> None:
    document = MANIFEST.to_json()
    document["files"][1][field] = value
    with pytest.raises(BadManifest) as caught:
        Manifest.from_json(document)
    assert f"files[1].{field} is " in str(caught.value) and told in str(caught.value)


def test_files_are_there_once_and_in_order() -> None:
    for files in ((CHECKPOINT, PREVIEW), (PREVIEW, PREVIEW)):
        with pytest.raises(BadManifest, match="each path must be there once, in order"):
            Manifest.from_json(Manifest("prefix", files).to_json())


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000, b'"text"', b"null"])
def test_what_is_no_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(BadManifest, match=r"^manifest\.json is "):
        Manifest.from_bytes(text)


def test_fields_of_a_stranger_are_refused() -> None:
    with pytest.raises(BadManifest, match="and no others"):
        Manifest.from_json(MANIFEST.to_json() | {"more": 1})
