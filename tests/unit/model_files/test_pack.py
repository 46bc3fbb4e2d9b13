from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.model_files.weights import SD1, SD1_CONTROLNET, SD1_LORA, write_weights
from webui_async.contract.errors import ModelFileError
from webui_async.model_files.families import Family
from webui_async.model_files.pack import check_weights, read_pack

DEMO = Path(__file__).resolve().parents[3] / "model_layout"
VAE = {"decoder.conv_in.weight": (8, 4, 3, 3)}


def put(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(root: Path) -> set[str]:
    return {f"{file.folder}/{file.name}" for file in read_pack(root).files}


def faults(root: Path) -> dict[str, str]:
    return {error.name: error.reason for error in read_pack(root).refused}


def test_the_demo_pack_is_good() -> None:
    pack = read_pack(DEMO)
    assert pack.refused == [] and pack.misnamed == {}
    assert [file.name for file in pack.checkpoints] == ["tiny-painter.safetensors"]
    assert pack.checkpoints[0].yaml is not None
    assert "Stable-diffusion/clip/vocab.json" in names(DEMO)
    assert not [name for name in names(DEMO) if name.endswith((".md", ".yaml"))]


def test_weights_side_files_and_sub_folders_are_kept(tmp_path: Path) -> None:
    write_weights(tmp_path / "Lora" / "style" / "ink.safetensors", SD1_LORA)
    for name in ("ink.civitai.info", "ink.preview.png", "ink.json", "ink.txt", "README.md", ".hidden.png"):
        put(tmp_path / "Lora" / "style" / name)
    kept = ("ink.safetensors", "ink.civitai.info", "ink.preview.png", "ink.json", "ink.txt")
    assert names(tmp_path) == {f"Lora/style/{name}" for name in kept}
    assert faults(tmp_path) == {}


def test_a_recognised_file_tells_its_family(tmp_path: Path) -> None:
    write_weights(tmp_path / "ControlNet" / "canny.safetensors", SD1_CONTROLNET)
    (file,) = read_pack(tmp_path).files
    assert file.recognised is not None and file.recognised.family is Family.SD1


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".pth", ".bin", ".PT"])
def test_a_pickle_is_refused_unread(tmp_path: Path, suffix: str) -> None:
    put(tmp_path / "Lora" / f"ink{suffix}")
    assert "can run code" in faults(tmp_path)[f"Lora/ink{suffix}"] and names(tmp_path) == set()


def test_what_is_no_model_file_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "Lora" / "setup.py")
    put(tmp_path / "Lora" / "notes.yaml")
    put(tmp_path / "Lora" / "INK.SAFETENSORS")
    put(tmp_path / "lost.safetensors")
    told = faults(tmp_path)
    assert "is no model file: .py" in told["Lora/setup.py"]
    assert "only beside the checkpoint" in told["Lora/notes.yaml"]
    assert "is no model file: .SAFETENSORS" in told["Lora/INK.SAFETENSORS"]
    assert "outside every folder" in told["lost.safetensors"] and names(tmp_path) == set()


@pytest.mark.parametrize(
    ("folder", "shapes", "words"),
    [
        ("Stable-diffusion", SD1_LORA, "is a LoRA and no checkpoint: move it to Lora/"),
        ("Lora", SD1, "is a checkpoint and no LoRA: move it to Stable-diffusion/"),
        ("Lora", {"emb_params": (1, 768)}, "is an embedding and no LoRA: move it to embeddings/"),
        ("ControlNet", VAE, "is a VAE and no ControlNet model: move it to VAE/"),
        ("Stable-diffusion", VAE, "is a VAE and no checkpoint"),
    ],
)
def test_a_file_in_the_wrong_folder_is_told_its_own(
    tmp_path: Path, folder: str, shapes: dict[str, tuple[int, ...]], words: str
) -> None:
    path = write_weights(tmp_path / folder / "a.safetensors", shapes)
    assert words in faults(tmp_path)[f"{folder}/a.safetensors"]
    with pytest.raises(ModelFileError, match=r"^a\.safetensors is an? "):
        check_weights(path, folder)


def test_what_nobody_recognises_is_let_be(tmp_path: Path) -> None:
    write_weights(tmp_path / "Stable-diffusion" / "new.safetensors", {"novelty.weight": (3, 3)})
    assert len(read_pack(tmp_path).checkpoints) == 1 and faults(tmp_path) == {}


def test_a_vae_beside_its_checkpoint_is_no_checkpoint(tmp_path: Path) -> None:
    write_weights(tmp_path / "Stable-diffusion" / "a.vae.safetensors", VAE)
    pack = read_pack(tmp_path)
    assert len(pack.files) == 1 and pack.checkpoints == [] and pack.refused == []


def test_a_checkpoint_is_refused_with_the_yaml_beside_it(tmp_path: Path) -> None:
    write_weights(tmp_path / "Stable-diffusion" / "a.safetensors", SD1)
    put(tmp_path / "Stable-diffusion" / "a.yaml", b"model: {target: os.system}\n")
    (told,) = faults(tmp_path).values()
    assert told.startswith('has a a.yaml beside it that may not be used: model.target is "os.system"')
    assert names(tmp_path) == set()


def test_a_link_out_of_the_pack_is_refused(tmp_path: Path) -> None:
    outside = write_weights(tmp_path / "outside.safetensors", SD1)
    secret = put(tmp_path / "secret.yaml", b"model: {}\n")
    folder = tmp_path / "pack" / "Stable-diffusion"
    write_weights(folder / "inside.safetensors", SD1)
    (folder / "alias.safetensors").symlink_to("inside.safetensors")
    (folder / "out.safetensors").symlink_to(outside)
    (folder / "gone.safetensors").symlink_to("nowhere")
    (folder / "inside.yaml").symlink_to(secret)
    told = faults(tmp_path / "pack")
    assert "link out of the pack" in told["Stable-diffusion/out.safetensors"]
    assert "link out of the pack" in told["Stable-diffusion/inside.safetensors"]
    assert "no regular file" in told["Stable-diffusion/gone.safetensors"]
    assert names(tmp_path / "pack") == {"Stable-diffusion/alias.safetensors"}


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "Lora").mkdir()
    os.mkfifo(tmp_path / "Lora" / "a.safetensors")
    assert faults(tmp_path) == {"Lora/a.safetensors": "is no regular file"}


def test_misnamed_folders_are_told_and_not_read(tmp_path: Path) -> None:
    put(tmp_path / "loras" / "a.ckpt")
    put(tmp_path / "pictures" / "a.png")
    pack = read_pack(tmp_path)
    assert pack.misnamed == {"loras": "Lora"} and pack.files == [] and pack.refused == []


def test_a_pack_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert read_pack(tmp_path / "none").files == []


def test_a_link_to_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "pack" / "Lora").mkdir(parents=True)
    (tmp_path / "pack" / "Lora" / "style").symlink_to(tmp_path / "elsewhere")
    assert "link out of the pack" in faults(tmp_path / "pack")["Lora/style"]


def test_a_name_that_cannot_be_shown_is_refused_in_one_line(tmp_path: Path) -> None:
    write_weights(tmp_path / "Lora" / "a\nERROR b.safetensors", SD1_LORA)
    write_weights(tmp_path / "Lora" / os.fsdecode(b"\xff.safetensors"), SD1_LORA)
    lines = [str(error) for error in read_pack(tmp_path).refused]
    assert len(lines) == 2 and all("rename it" in line and line.isprintable() for line in lines)
    assert names(tmp_path) == set()


def test_a_link_that_cannot_be_followed_costs_only_itself(tmp_path: Path) -> None:
    write_weights(tmp_path / "Stable-diffusion" / "good.safetensors", SD1)
    folder = tmp_path / "Lora"
    folder.mkdir()
    (folder / "own.safetensors").symlink_to("own.safetensors")
    (folder / "there.safetensors").symlink_to("back.safetensors")
    (folder / "back.safetensors").symlink_to("there.safetensors")
    (folder / "far.safetensors").symlink_to("x" * 300)
    told = faults(tmp_path)
    for name in ("own", "there", "back"):
        assert "a link that leads back to itself" in told[f"Lora/{name}.safetensors"]
    assert told["Lora/far.safetensors"] == "is no regular file"
    assert names(tmp_path) == {"Stable-diffusion/good.safetensors"}


def test_a_folder_in_the_place_of_a_yaml_is_told_by_its_own_name(tmp_path: Path) -> None:
    write_weights(tmp_path / "Stable-diffusion" / "fixed.safetensors", SD1)
    (tmp_path / "Stable-diffusion" / "fixed.yaml").mkdir()
    assert faults(tmp_path) == {
        "Stable-diffusion/fixed.safetensors": "has a fixed.yaml beside it that is no regular file"
    }
