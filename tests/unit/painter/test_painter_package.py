"""The demo model in model_layout/ is the one the painter's code packs."""

import hashlib
import json
import struct
from pathlib import Path

import pytest

import painter
from painter.bpe import CONTEXT, END, START, Tokenizer
from painter.model.config import TEXT, UNET
from painter.package import write_clip_folder, write_diffusers_config, yaml_text
from webui_async.model_files.folders import FOLDERS

LAYOUT = Path(painter.__file__).parents[1] / "model_layout"
CHECKPOINT = LAYOUT / "Stable-diffusion" / "tiny-painter.safetensors"
LORA = LAYOUT / "Lora" / "blueprint.safetensors"


@pytest.mark.parametrize("file", [CHECKPOINT, LORA], ids=lambda file: file.name)
def test_the_weights_are_those_the_readme_names(file):
    readme = (LAYOUT / "README.md").read_text()
    assert hashlib.sha256(file.read_bytes()).hexdigest() in readme


def test_the_yaml_beside_the_checkpoint_is_the_one_the_code_writes():
    assert (LAYOUT / "Stable-diffusion/tiny-painter.yaml").read_text() == yaml_text("tiny-painter")


def test_the_clip_folder_is_the_one_the_code_writes(tmp_path):
    write_clip_folder(tmp_path)
    kept = LAYOUT / "Stable-diffusion" / "clip"
    assert sorted(f.name for f in tmp_path.iterdir()) == sorted(f.name for f in kept.iterdir())
    for file in tmp_path.iterdir():
        assert file.read_bytes() == (kept / file.name).read_bytes(), file.name


def test_the_checkpoint_has_the_sizes_of_the_config():
    tensors = _tensors(CHECKPOINT)
    words = tensors["cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"]
    assert len(tensors) == 738
    assert words["shape"] == [TEXT["vocab"], TEXT["width"]]
    assert tensors["model.diffusion_model.out.2.weight"]["shape"][:2] == [4, UNET["model_channels"]]


def test_the_lora_has_the_webuis_keys():
    keys = _tensors(LORA)
    assert len(keys) == 3 * 132
    assert all(key.startswith("lora_unet_") and key.endswith((".alpha", ".weight")) for key in keys)


def test_every_folder_of_the_layout_says_what_goes_there():
    folders = sorted(folder.name for folder in LAYOUT.iterdir() if folder.is_dir())
    assert folders == sorted(FOLDERS)
    assert all((LAYOUT / name / "README.md").is_file() for name in folders)


def test_the_diffusers_config_names_its_parts(tmp_path):
    write_diffusers_config(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    assert all(
        (tmp_path / part).is_dir() for part in ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
    )
    assert index["_class_name"] == "StableDiffusionPipeline"


def test_the_tokenizer_gives_clips_ids():
    ids = Tokenizer()("a photo of a cat")
    assert ids[:7] == [START, 320, 1125, 539, 320, 2368, END] and len(ids) == CONTEXT


def test_a_long_prompt_is_cut_to_77_ids():
    ids = Tokenizer()("red " * 100)
    assert len(ids) == CONTEXT and ids[0] == START and ids[-1] == END


def _tensors(file):
    """Names and shapes of a safetensors file, read from its header."""
    with file.open("rb") as opened:
        (length,) = struct.unpack("<Q", opened.read(8))
        header = json.loads(opened.read(length))
    header.pop("__metadata__", None)
    return header
