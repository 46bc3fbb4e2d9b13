"""The folders of a model pack. They have the webui's names, letter for letter."""

from __future__ import annotations

from webui_async.model_files.families import ModelType

CHECKPOINTS = "Stable-diffusion"
LORAS = "Lora"
CONTROLNETS = "ControlNet"

#: folder -> what its weights are; None where nothing tells them apart.
FOLDERS: dict[str, ModelType | None] = {
    CHECKPOINTS: ModelType.CHECKPOINT,
    LORAS: ModelType.LORA,
    CONTROLNETS: ModelType.CONTROLNET,
    "VAE": ModelType.VAE,
    "embeddings": ModelType.EMBEDDING,
    "ESRGAN": ModelType.UPSCALER,
    "hypernetworks": None,
}

#: How else people call them, in lower case and without what stands between the words.
_OTHER_NAMES = {
    CHECKPOINTS: ("stablediffusion", "checkpoint", "checkpoints", "ckpt", "ckpts", "sd"),
    LORAS: ("lora", "loras", "lycoris", "locon"),
    CONTROLNETS: ("controlnet", "controlnets"),
    "VAE": ("vae", "vaes"),
    "embeddings": ("embeddings", "embedding", "textualinversion", "textualinversions"),
    "ESRGAN": ("esrgan", "upscaler", "upscalers", "upscalemodels"),
    "hypernetworks": ("hypernetworks", "hypernetwork"),
}


def right_name(name: str) -> str | None:
    """The folder that `name` is probably meant to be; None when it is one, or nothing like one."""
    if name in FOLDERS:
        return None
    plain = "".join(letter for letter in name.lower() if letter.isalnum())
    return next((folder for folder, others in _OTHER_NAMES.items() if plain in others), None)


def folder_for(model_type: ModelType) -> str:
    """Where weights of this type belong."""
    return next(folder for folder, held in FOLDERS.items() if held is model_type)
