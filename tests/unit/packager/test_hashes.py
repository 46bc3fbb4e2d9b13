from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest

from tests.unit.model_files.weights import SD1_CONTROLNET, SD1_LORA, write_weights
from tests.unit.packager.checked_trees import good_tree
from webui_async.contract.errors import FileChanged, ModelFileError
from webui_async.packager.check import check_tree
from webui_async.packager.hashes import MemberHasher, hash_members
from webui_async.packager.members import Member, Stamp

DEMO = Path(__file__).resolve().parents[3] / "model_layout"


def member(path: Path) -> Member:
    return Member(f"Lora/{path.name}", path, Stamp.of(path.stat()))


def short_hashes(root: Path) -> dict[str, str | None]:
    return {found.path: found.short_hash for found in check_tree(root, hashes=True).members}


def test_a_checkpoint_has_the_hash_in_its_title() -> None:
    """408c87dd17 is what the stock webui shows, and what model_layout/README.md says."""
    assert short_hashes(DEMO)["Stable-diffusion/tiny-painter.safetensors"] == "408c87dd17"


def test_a_lora_is_hashed_without_its_header(tmp_path: Path) -> None:
    path = write_weights(good_tree(tmp_path) / "Lora" / "a.safetensors", SD1_LORA)
    weights = path.read_bytes()[-sum(2 * a * b for a, b in SD1_LORA.values()) :]
    assert short_hashes(tmp_path)["Lora/a.safetensors"] == hashlib.sha256(weights).hexdigest()[:12]


def test_a_lora_keeps_the_hash_that_its_trainer_noted(tmp_path: Path) -> None:
    noted = {"sshs_model_hash": "97303f65d4a4" + "0" * 52}
    write_weights(good_tree(tmp_path) / "Lora" / "a.safetensors", SD1_LORA, metadata=noted)
    assert short_hashes(tmp_path)["Lora/a.safetensors"] == "97303f65d4a4"


def test_a_controlnet_model_has_the_webuis_oldest_hash(tmp_path: Path) -> None:
    shapes = SD1_CONTROLNET | {"control_model.more": (1 << 20,)}
    path = write_weights(good_tree(tmp_path) / "ControlNet" / "canny.safetensors", shapes)
    with path.open("r+b") as file:
        file.seek(0x100000 - 5)
        file.write(os.urandom(0x10000 + 10))
    expected = hashlib.sha256(path.read_bytes()[0x100000:0x110000]).hexdigest()[:8]
    assert short_hashes(tmp_path)["ControlNet/canny.safetensors"] == expected


def test_what_lies_beside_weights_has_no_short_hash(tmp_path: Path) -> None:
    assert short_hashes(good_tree(tmp_path))["Lora/style/ink.png"] is None


def test_files_come_back_in_their_order_with_their_sha256(tmp_path: Path) -> None:
    contents = {f"{number}.bin": os.urandom(size) for number, size in enumerate((3, 3 << 20, 0, 1 << 20))}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    done: list[int] = []
    hashed = hash_members([member(tmp_path / name) for name in contents], done.append)
    assert [found.path for found in hashed] == [f"Lora/{name}" for name in contents]
    for found in hashed:
        assert found.sha256 == hashlib.sha256(contents[found.source.name]).hexdigest()
    assert sum(done) == sum(map(len, contents.values()))


def test_two_files_are_hashed_at_a_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"x")
    both = threading.Barrier(2, timeout=10)
    hash_members([member(tmp_path / "a"), member(tmp_path / "b")], lambda count: both.wait() and None)


def test_a_file_that_grew_since_it_was_checked_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 10)
    before = member(path)
    path.write_bytes(b"x" * 11)
    with pytest.raises(FileChanged, match=r"Lora/a was 10 bytes and is 11 now: let the download"):
        hash_members([before])


def test_a_file_that_was_replaced_by_one_of_its_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x")
    before = member(path)
    (tmp_path / "b").write_bytes(b"y")
    os.utime(tmp_path / "b", ns=(0, before.stamp.modified_ns))
    (tmp_path / "b").replace(path)
    with pytest.raises(FileChanged, match="was written to or replaced since it was checked"):
        hash_members([before])


def test_a_file_that_is_cut_while_it_is_hashed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * (3 << 20))
    with pytest.raises(FileChanged, match="ends before that now"):
        hash_members([member(path)], lambda count: os.truncate(path, 1 << 20))


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    before = member(tmp_path / "a")
    (tmp_path / "a").unlink()
    with pytest.raises(FileChanged, match="Lora/a is not there any more"):
        hash_members([before])


def test_a_file_that_cannot_be_opened_is_told_why(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ModelFileError, match="Lora/folder cannot be read: Is a directory"):
        hash_members([member(tmp_path / "folder")])


def test_bytes_of_another_sha256_than_before_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    before = member(tmp_path / "a")
    hasher = MemberHasher(Member(before.path, before.source, before.stamp, sha256="0" * 64))
    hasher.update([memoryview(b"x")])
    with pytest.raises(FileChanged, match="holds something else than when it was hashed"):
        hasher.finish()
