"""The single-file format: reading a checkpoint into our modules, and writing one."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from painter.bpe import UNKNOWN
from painter.model.schedule import betas, signal_shares
from painter.model.text import TextModel
from painter.model.unet import UNet
from painter.model.vae import AutoencoderKL

UNET_PREFIX = "model.diffusion_model."
VAE_PREFIX = "first_stage_model."
TEXT_PREFIX = "cond_stage_model.transformer."
WORDS_KEY = TEXT_PREFIX + "text_model.embeddings.token_embedding.weight"


def load_into(module: nn.Module, checkpoint: Path, prefix: str) -> None:
    """The module's weights from the checkpoint, as float32. Raises RuntimeError when they do not fit."""
    weights = load_file(checkpoint)
    part = {key[len(prefix) :]: value.float() for key, value in weights.items() if key.startswith(prefix)}
    module.load_state_dict(part)


def save_checkpoint(file: Path, unet: UNet, text: TextModel, vae: AutoencoderKL, used_words: Tensor) -> int:
    """Writes the checkpoint as float16 with its noise schedule; gives its weights' size in bytes.

    used_words: a bool for each of the vocabulary's ids.
    """
    weights = {}
    for prefix, module in ((UNET_PREFIX, unet), (VAE_PREFIX, vae), (TEXT_PREFIX, text)):
        for key, value in module.state_dict().items():
            weights[prefix + key] = value.detach().float().cpu().clone()
    quiet_unused_words(weights[WORDS_KEY], used_words)
    weights = {key: value.to(torch.float16).contiguous() for key, value in weights.items()}
    weights["betas"] = betas().float()
    weights["alphas_cumprod"] = signal_shares()
    save_file(weights, file, metadata={"format": "pt"})
    return sum(value.numel() * value.element_size() for value in weights.values())


def quiet_unused_words(words: Tensor, used: Tensor) -> None:
    """Gives every word never trained the row of the unknown word, so that it says nothing."""
    words[~used] = words[UNKNOWN].clone()
