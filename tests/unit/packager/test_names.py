from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.model_files.weights import SD1, SD1_LORA, write_weights
from tests.unit.packager.checked_trees import findings, good_tree, put, told
from webui_async.packager.check import check_tree

VAE = {"decoder.conv_in.weight": (8, 4, 3, 3)}


@pytest.mark.parametrize("name", ["a<b", "a>b", "ink:2", "ink=2"])
def test_a_lora_must_have_a_name_that_a_prompt_can_say(tmp_path: Path, name: str) -> None:
    write_weights(good_tree(tmp_path) / "Lora" / f"{name}.safetensors", SD1_LORA)
    assert "<lora:NAME:WEIGHT> cannot say it: rename it" in told(tmp_path, f"Lora/{name}.safetensors")


def test_a_checkpoint_must_have_a_name_without_brackets(tmp_path: Path) -> None:
    write_weights(good_tree(tmp_path) / "Stable-diffusion" / "photo [v2].safetensors", SD1)
    reason = told(tmp_path, "Stable-diffusion/photo [v2].safetensors")
    assert reason.startswith("refused: has '[' in its name, and the webui puts a hash in brackets")


def test_brackets_harm_no_lora_and_colons_no_preview(tmp_path: Path) -> None:
    write_weights(good_tree(tmp_path) / "Lora" / "ink [v2].safetensors", SD1_LORA)
    put(tmp_path / "Lora" / "at 12:30.png")
    assert check_tree(tmp_path).is_good


@pytest.mark.parametrize("sign", ["\n", "\x07", "\u202e"])
def test_signs_that_cannot_be_shown_are_refused_in_folders_too(tmp_path: Path, sign: str) -> None:
    write_weights(good_tree(tmp_path) / "Lora" / f"a{sign}b" / "ink2.safetensors", SD1_LORA)
    write_weights(tmp_path / "Lora" / f"c{sign}d.safetensors", SD1_LORA)
    found = findings(tmp_path)
    assert "in its name: rename it" in found[f"Lora/a{sign}b/ink2.safetensors"].reasons[0]
    assert found[f"Lora/c{sign}d.safetensors"].verdict == "refused"
    lines = check_tree(tmp_path).table().split("\n")
    assert len(lines) == len(found) + 3 and all(line.isprintable() for line in lines)


def test_a_name_that_is_not_utf8_is_refused_and_shown(tmp_path: Path) -> None:
    good_tree(tmp_path)
    folder = os.fsencode(tmp_path / "Lora") + b"/caf\xe9"
    os.mkdir(folder)
    path = write_weights(Path(os.fsdecode(folder)) / "a.safetensors", SD1_LORA)
    name = path.relative_to(tmp_path).as_posix()
    assert told(tmp_path, name) == "refused: has a name that is not UTF-8: rename it"
    check_tree(tmp_path).table().encode()


def test_a_path_longer_than_a_key_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "Lora" / ("a" * 200) / ("b" * 200) / ("c" * 200) / ("d" * 200)
    write_weights(good_tree(tmp_path) and folder / ("e" * 150 + ".safetensors"), SD1_LORA)
    reasons = [found.reasons for found in check_tree(tmp_path).refused]
    assert len(reasons) == 1 and "has a path of 971 bytes: S3 takes 900" in reasons[0][0]


def test_two_loras_of_one_name_are_refused(tmp_path: Path) -> None:
    write_weights(good_tree(tmp_path) / "Lora" / "other" / "ink.safetensors", SD1_LORA)
    assert told(tmp_path, "Lora/style/ink.safetensors") == (
        "refused: is called 'ink' in the webui, and so is Lora/other/ink.safetensors, which hides it: "
        "rename one of them"
    )


def test_checkpoints_of_one_file_name_can_be_told_apart_by_their_folders(tmp_path: Path) -> None:
    write_weights(good_tree(tmp_path) / "Stable-diffusion" / "b" / "photo.safetensors", SD1)
    assert told(tmp_path, "Stable-diffusion/photo.safetensors").startswith("warning: has the file name of")


def test_checkpoints_whose_folders_make_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a/b.safetensors", "a_b.safetensors"):
        write_weights(good_tree(tmp_path) / "Stable-diffusion" / name, SD1)
    assert "is called 'a_b' in the webui" in told(tmp_path, "Stable-diffusion/a_b.safetensors")


def test_a_vae_beside_its_checkpoint_is_among_the_vaes(tmp_path: Path) -> None:
    write_weights(good_tree(tmp_path) / "Stable-diffusion" / "photo.vae.safetensors", VAE)
    assert check_tree(tmp_path).is_good
    write_weights(tmp_path / "VAE" / "photo.vae.safetensors", VAE)
    assert "is called 'photo.vae.safetensors'" in told(tmp_path, "VAE/photo.vae.safetensors")


def test_loras_that_a_trainer_called_alike_are_worth_a_look(tmp_path: Path) -> None:
    for name in ("a", "b"):
        path = good_tree(tmp_path) / "Lora" / f"{name}.safetensors"
        write_weights(path, SD1_LORA, metadata={"ss_output_name": "last"})
    assert told(tmp_path, "Lora/b.safetensors").startswith("warning: calls itself 'last' in its metadata")
    assert check_tree(tmp_path).is_good
