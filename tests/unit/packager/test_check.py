from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import pytest

from tests.unit.model_files.weights import SD1, SD1_LORA, SDXL, SDXL_LORA, write_raw, write_weights
from tests.unit.packager.checked_trees import findings, good_tree, put, told
from webui_async.contract.errors import PackRefused
from webui_async.model_files.pack import read_pack
from webui_async.packager.check import check_tree

DEMO = Path(__file__).resolve().parents[3] / "model_layout"


class Command:
    """What a bad pickle holds."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("true",)


def torch_file(content: object) -> bytes:
    """A pickle in a zip, as torch.save writes it since 1.6."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content, protocol=2))
    return buffer.getvalue()


def test_a_good_tree_is_good(tmp_path: Path) -> None:
    report = check_tree(good_tree(tmp_path))
    assert report.is_good
    assert [member.path for member in report.members] == [
        "Lora/style/ink.png",
        "Lora/style/ink.safetensors",
        "Stable-diffusion/photo.safetensors",
        "Stable-diffusion/photo.yaml",
    ]
    by_path = {member.path: member for member in report.members}
    checkpoint = by_path["Stable-diffusion/photo.safetensors"]
    assert (checkpoint.type, checkpoint.family, checkpoint.precision) == ("checkpoint", "SD1", "fp16")
    assert by_path["Lora/style/ink.png"].type is None


def test_the_demo_tree_is_good() -> None:
    report = check_tree(DEMO)
    assert report.is_good
    assert not [member.path for member in report.members if member.path.endswith(".md")]


def test_what_is_good_here_is_what_an_endpoint_uses(tmp_path: Path) -> None:
    root = good_tree(tmp_path)
    put(root / "Lora" / "old.ckpt", torch_file({}))
    put(root / "Lora" / "cut.safetensors")
    used = {f"{file.folder}/{file.name}" for file in read_pack(root).files}
    packed = {member.path for member in check_tree(root).members}
    assert packed - {"Stable-diffusion/photo.yaml"} == used


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackRefused, match=r"nowhere is no folder: give one that has Stable-diffusion/ in it"):
        check_tree(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "right"),
    [("lora", "Lora"), ("stable-diffusion", "Stable-diffusion"), ("Stable Diffusion", "Stable-diffusion")],
)
def test_a_miscalled_folder_is_told_its_name(tmp_path: Path, name: str, right: str) -> None:
    put(tmp_path / name / "a.safetensors")
    assert told(tmp_path, f"{name}/") == (
        f"refused: is not what the webui calls it, letter for letter: rename it to {right}/"
    )


def test_a_miscalled_folder_beside_the_right_one_is_to_be_emptied(tmp_path: Path) -> None:
    put(good_tree(tmp_path) / "loras" / "a.safetensors")
    assert "knows Lora/: move what is in it there" in told(tmp_path, "loras/")


def test_a_tree_without_checkpoints_is_refused(tmp_path: Path) -> None:
    write_weights(tmp_path / "Lora" / "ink.safetensors", SD1_LORA)
    assert told(tmp_path, "Stable-diffusion/").startswith("refused: is not there")
    put(tmp_path / "Stable-diffusion" / "a.safetensors")
    assert told(tmp_path, "Stable-diffusion/").startswith("refused: holds no good checkpoint")


def test_a_tree_in_a_folder_of_the_folder_is_found(tmp_path: Path) -> None:
    good_tree(tmp_path / "models")
    assert f"but models/Stable-diffusion/ is: give {tmp_path}/models" in told(tmp_path, "Stable-diffusion/")


def test_folders_of_other_things_are_listed_and_left_out(tmp_path: Path) -> None:
    root = good_tree(tmp_path)
    put(root / "GFPGAN" / "GFPGANv1.4.pth")
    put(root / "pictures" / "a.png")
    put(root / ".cache" / "x.safetensors")
    put(root / "notes.txt")
    assert told(root, "GFPGAN/").startswith("warning: is none of Stable-diffusion/, Lora/")
    assert told(root, "pictures/") == "ignored: is no folder of a pack; it is left out"
    assert told(root, "notes.txt").startswith("ignored")
    assert ".cache/" not in findings(root) and check_tree(root).is_good


def test_files_that_are_no_models_are_listed_and_left_out(tmp_path: Path) -> None:
    root = good_tree(tmp_path)
    for name in ("README.md", "setup.py", "control.yaml", "ink.safetensors.part"):
        put(root / "Lora" / name)
    assert told(root, "Lora/README.md") == "ignored: is a note and no model; it is left out"
    assert told(root, "Lora/setup.py").startswith("ignored: is no model file: .py")
    assert told(root, "Lora/control.yaml").startswith("ignored: can run code")
    assert told(root, "Lora/ink.safetensors.part").startswith("ignored: is no model file: .part")
    assert len(check_tree(root).members) == 4


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty: fetch it again"),
        (b"<!DOCTYPE html><title>Log in</title>", "is a web page that was saved under a model's name"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is a Git LFS pointer"),
        (b"x" * 100, "is no safetensors file"),
    ],
)
def test_what_a_download_left_instead_is_told(tmp_path: Path, content: bytes, reason: str) -> None:
    put(good_tree(tmp_path) / "Lora" / "a.safetensors", content)
    assert told(tmp_path, "Lora/a.safetensors").startswith(f"refused: {reason}")


@pytest.mark.parametrize("content", [b"", b"<html>", b"version https://git-lfs.github.com/spec/v1\n"])
def test_the_same_is_told_of_pickles(tmp_path: Path, content: bytes) -> None:
    put(good_tree(tmp_path) / "Lora" / "a.ckpt", content)
    assert "pickle" not in told(tmp_path, "Lora/a.ckpt")


def test_a_cut_download_is_told_its_length(tmp_path: Path) -> None:
    path = write_weights(good_tree(tmp_path) / "Lora" / "cut.safetensors", SD1_LORA)
    whole = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(whole - 100)
    assert f"is {whole - 100:,} bytes where its header promises {whole:,}" in told(
        tmp_path, "Lora/cut.safetensors"
    )


def test_weights_in_the_wrong_folder_are_told_theirs(tmp_path: Path) -> None:
    write_weights(good_tree(tmp_path) / "Stable-diffusion" / "ink.safetensors", SD1_LORA)
    write_weights(tmp_path / "lost.safetensors", SD1_LORA)
    assert "is a LoRA and no checkpoint: move it to Lora/" in told(
        tmp_path, "Stable-diffusion/ink.safetensors"
    )
    assert "its tensors say LoRA, so move it to Lora/" in told(tmp_path, "lost.safetensors")


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".pth", ".bin"])
def test_a_pickle_that_would_run_code_is_told_what(tmp_path: Path, suffix: str) -> None:
    for name, content in (("zip", torch_file(Command())), ("bare", pickle.dumps(Command()))):
        path = f"Lora/{name}{suffix}"
        put(good_tree(tmp_path) / path, content)
        assert told(tmp_path, path) == (
            "refused: is a pickle that would call posix.system when it is loaded: delete it"
        )


def test_a_pickle_without_code_is_to_be_converted(tmp_path: Path) -> None:
    from collections import OrderedDict

    put(good_tree(tmp_path) / "Stable-diffusion" / "old.ckpt", torch_file(OrderedDict(a=1)))
    reason = told(tmp_path, "Stable-diffusion/old.ckpt")
    assert reason.startswith("refused: is a pickle") and "convert it to safetensors" in reason


@pytest.mark.parametrize("content", [b"PK\x03\x04 and nothing more", b"\x80\x02", b"plain text"])
def test_a_pickle_that_cannot_be_scanned_is_refused(tmp_path: Path, content: bytes) -> None:
    put(good_tree(tmp_path) / "Lora" / "a.pt", content)
    assert told(tmp_path, "Lora/a.pt").startswith("refused: is a pickle")


def test_links_out_of_the_tree_are_refused(tmp_path: Path) -> None:
    outside = write_weights(tmp_path / "outside" / "ink.safetensors", SD1_LORA)
    root = good_tree(tmp_path / "tree")
    (root / "Lora" / "out.safetensors").symlink_to(outside)
    (root / "Lora" / "out.pt").symlink_to(outside)
    (root / "Lora" / "folder").symlink_to(outside.parent)
    for name in ("out.safetensors", "out.pt", "folder"):
        assert "is a link out of the pack" in told(root, f"Lora/{name}")
        assert not check_tree(root).is_good


def test_a_yaml_that_names_code_is_refused_with_its_checkpoint(tmp_path: Path) -> None:
    put(good_tree(tmp_path) / "Stable-diffusion" / "photo.yaml", b"model: {target: os.system}\n")
    assert 'model.target is "os.system"' in told(tmp_path, "Stable-diffusion/photo.safetensors")
    assert "Stable-diffusion/photo.yaml" not in [member.path for member in check_tree(tmp_path).members]


def test_a_lora_that_fits_no_checkpoint_is_worth_a_look(tmp_path: Path) -> None:
    write_weights(tmp_path / "Stable-diffusion" / "xl.safetensors", SDXL)
    write_weights(tmp_path / "Lora" / "new.safetensors", SDXL_LORA)
    write_weights(tmp_path / "Lora" / "old.safetensors", SD1_LORA)
    assert told(tmp_path, "Lora/old.safetensors") == (
        "warning: is made for SD1, and the checkpoints here are SDXL"
    )
    assert check_tree(tmp_path).is_good
    write_weights(tmp_path / "Stable-diffusion" / "old.safetensors", SD1)
    assert findings(tmp_path)["Lora/old.safetensors"].verdict == "good"


def test_where_no_lora_fits_any_checkpoint_the_tree_is_refused(tmp_path: Path) -> None:
    write_weights(tmp_path / "Stable-diffusion" / "xl.safetensors", SDXL)
    write_weights(tmp_path / "Lora" / "old.safetensors", SD1_LORA)
    assert told(tmp_path, "Lora/old.safetensors").startswith("refused: is made for SD1")


def test_nothing_is_said_beside_a_checkpoint_of_no_known_family(tmp_path: Path) -> None:
    write_weights(tmp_path / "Stable-diffusion" / "own.safetensors", {"model.diffusion_model.x": (3,)})
    write_weights(tmp_path / "Lora" / "old.safetensors", SD1_LORA)
    assert check_tree(tmp_path).is_good


def test_weights_that_the_stock_webui_passes_over_are_told(tmp_path: Path) -> None:
    write_weights(good_tree(tmp_path) / "ESRGAN" / "4x.safetensors", {"conv_first.weight": (3,)})
    assert "reads only .pt and .pth in ESRGAN/" in told(tmp_path, "ESRGAN/4x.safetensors")


def test_a_header_that_is_no_json_is_refused(tmp_path: Path) -> None:
    write_raw(good_tree(tmp_path) / "Lora" / "a.safetensors", b"{not json}", 10)
    assert "its header cannot be read" in told(tmp_path, "Lora/a.safetensors")
