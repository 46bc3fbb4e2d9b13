from __future__ import annotations

import pytest

from webui_async.model_files.families import ModelType
from webui_async.model_files.folders import FOLDERS, folder_for, right_name


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("stable-diffusion", "Stable-diffusion"),
        ("Stable_Diffusion", "Stable-diffusion"),
        ("checkpoints", "Stable-diffusion"),
        ("Loras", "Lora"),
        ("lora", "Lora"),
        ("LoRA", "Lora"),
        ("controlnet", "ControlNet"),
        ("vae", "VAE"),
        ("Embeddings", "embeddings"),
        ("textual_inversion", "embeddings"),
        ("esrgan", "ESRGAN"),
        ("pictures", None),
    ],
)
def test_a_folder_by_another_name_is_told_its_right_one(name: str, right: str | None) -> None:
    assert right_name(name) == right


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_right_name_needs_no_other(folder: str) -> None:
    assert right_name(folder) is None


@pytest.mark.parametrize("model_type", ModelType)
def test_every_type_has_its_folder(model_type: ModelType) -> None:
    assert FOLDERS[folder_for(model_type)] is model_type
