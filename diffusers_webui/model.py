"""A loaded checkpoint: UNet, VAE and text encoder, built from an original-format file.

Importing this module imports torch, diffusers and transformers, which takes seconds: only
the drawing thread does.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders import single_file_utils as ldm
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from diffusers_webui.architecture import Architecture, read_architecture
from diffusers_webui.checkpoints import Checkpoint
from diffusers_webui.errors import MissingTokenizer, RefusedCheckpoint, UnfitCheckpoint, UnreadableCheckpoint

Weights = dict[str, torch.Tensor]


@dataclass
class Model:
    """The networks of one checkpoint, ready to draw."""

    checkpoint: Checkpoint
    unet: Any  #: UNet2DConditionModel
    vae: Any  #: AutoencoderKL
    text_encoder: Any  #: CLIPTextModel
    tokenizer: Any  #: CLIPTokenizer
    alphas_cumprod: torch.Tensor  #: of the training schedule, one per timestep
    scale_factor: float  #: latents are VAE latents times this
    device: torch.device
    dtype: torch.dtype


def load_model(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> Model:
    """Read a checkpoint whole and build it. Nothing is left behind when it fails.

    Raises UnreadableCheckpoint, RefusedCheckpoint, UnfitCheckpoint or MissingTokenizer.
    """
    weights = read_weights(checkpoint.path)
    architecture = read_architecture(checkpoint.config)
    try:
        unet = _build_unet(architecture, weights)
        vae = build_vae(architecture, weights)
        text_encoder = _build_text_encoder(architecture, weights)
    except (KeyError, ValueError, RuntimeError, AttributeError) as error:
        raise UnfitCheckpoint(
            f"{checkpoint.name} does not fit its description: {str(error)[:2000]}"
        ) from error
    params = architecture.params
    for network in (unet, vae, text_encoder):
        make_ready(network, device, dtype)
    return Model(
        checkpoint,
        unet,
        vae,
        text_encoder,
        _load_tokenizer(architecture),
        _alphas_cumprod(params),
        float(params.get("scale_factor", 0.18215)),
        device,
        dtype,
    )


def make_ready(network: Any, device: torch.device, dtype: torch.dtype) -> None:
    """Put a network where it draws, in the memory format that convolutions like."""
    # the plain `to`: diffusers' own warns about modules that it would keep in float32, an empty list here
    torch.nn.Module.to(network, device=device, dtype=dtype)
    network.to(memory_format=torch.channels_last)
    network.eval().requires_grad_(False)


def read_weights(path: Path) -> Weights:
    """All tensors of a safetensors file.

    Raises UnreadableCheckpoint for a broken one, RefusedCheckpoint for a pickle.
    """
    if path.suffix != ".safetensors":
        raise RefusedCheckpoint("'NoneType' object has no attribute 'pop'")
    try:
        weights: Weights = load_file(path)
    except SafetensorError as error:
        raise UnreadableCheckpoint(str(error)) from error
    return weights


def build_vae(architecture: Architecture, weights: Weights) -> AutoencoderKL:
    """The VAE, from a whole checkpoint or from a VAE file of its own."""
    config = ldm.create_vae_diffusers_config_from_ldm(architecture.config, weights)
    with torch.device("meta"):
        vae = AutoencoderKL(**config)
    return _fill(vae, ldm.convert_ldm_vae_checkpoint(weights, config))


def _build_unet(architecture: Architecture, weights: Weights) -> UNet2DConditionModel:
    config = ldm.create_unet_diffusers_config_from_ldm(architecture.config, weights)
    with torch.device("meta"):
        unet = UNet2DConditionModel(**config)
    return _fill(unet, ldm.convert_ldm_unet_checkpoint(weights, unet.config))


def _build_text_encoder(architecture: Architecture, weights: Weights) -> CLIPTextModel:
    encoder = CLIPTextModel(_clip_config(architecture))
    # transformers 4 names its modules text_model.*, transformers 5 does not
    head = "text_model." if next(iter(encoder.state_dict())).startswith("text_model.") else ""
    stem = "cond_stage_model.transformer."
    named = {
        key.removeprefix(stem).removeprefix("text_model."): value
        for key, value in weights.items()
        if key.startswith(stem)
    }
    named.pop("embeddings.position_ids", None)
    encoder.load_state_dict({head + key: value.float() for key, value in named.items()})
    return encoder


def _fill(network: Any, weights: Weights) -> Any:
    network.load_state_dict({key: value.float() for key, value in weights.items()}, assign=True)
    return network


def _clip_config(architecture: Architecture) -> CLIPTextConfig:
    if architecture.clip_folder is None:
        return CLIPTextConfig(
            hidden_size=768, intermediate_size=3072, num_attention_heads=12, num_hidden_layers=12
        )
    return CLIPTextConfig.from_pretrained(architecture.clip_folder, local_files_only=True)


def _load_tokenizer(architecture: Architecture) -> Any:
    where = architecture.clip_folder or architecture.clip_name
    try:
        return CLIPTokenizer.from_pretrained(where, local_files_only=True)
    except OSError as error:
        raise MissingTokenizer(
            f"Can't load tokenizer for '{architecture.clip_name}': put a folder of that name with "
            "config.json, vocab.json and merges.txt beside the checkpoint"
        ) from error


def _alphas_cumprod(params: dict[str, Any]) -> torch.Tensor:
    start, end, steps = (
        params.get("linear_start", 0.00085),
        params.get("linear_end", 0.012),
        params.get("timesteps", 1000),
    )
    betas = torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, dim=0).float()
