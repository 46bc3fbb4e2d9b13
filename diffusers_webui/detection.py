"""What an original-format checkpoint is made of, read off the names and shapes of its weights.

Stable Diffusion 1, 2 and XL differ in their text encoders; all sizes of their UNets and VAEs can be seen.
Only the number of attention heads cannot: it is 8 in version 1, and one for every 64 channels since.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from diffusers_webui.errors import UnfitCheckpoint

UNET = "model.diffusion_model."
VAE = "first_stage_model."
#: where the text encoders of each family stand; the first two may be one and the same network
CLIP_1, OPEN_CLIP_2 = "cond_stage_model.transformer.", "cond_stage_model.model."
CLIP_XL, OPEN_CLIP_XL = "conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."

_HEADS_1, _HEAD_WIDTH_2 = 8, 64
_SCALE_FACTOR, _SCALE_FACTOR_XL = 0.18215, 0.13025
_LATENT_CHANNELS = 4

Shapes = Mapping[str, Tensor]


@dataclass
class _Level:
    """One resolution of a UNet."""

    channels: int = 0
    resnets: int = 0
    depth: int = 0  #: transformer blocks in a row; 0: no attention here


def is_xl(weights: Shapes) -> bool:
    """Whether these are the weights of a Stable Diffusion XL."""
    return any(key.startswith(OPEN_CLIP_XL) for key in weights)


def derived_config(weights: Shapes) -> dict[str, Any]:
    """The description of a checkpoint that has no yaml, in the shape of CompVis's yaml files.

    Raises UnfitCheckpoint when these are no weights of a latent diffusion model.
    """
    try:
        params = {
            "parameterization": _parameterization(weights),
            "scale_factor": _SCALE_FACTOR_XL if is_xl(weights) else _SCALE_FACTOR,
            "unet_config": {"params": _unet_params(weights)},
            "first_stage_config": {"params": {"ddconfig": _vae_params(weights)}},
        }
    except KeyError as error:
        raise UnfitCheckpoint(
            f"this is no Stable Diffusion checkpoint, and no yaml says what it is: {error} is missing"
        ) from error
    return {"model": {"params": params}}


def check_drawable(weights: Shapes, params: Mapping[str, Any]) -> None:
    """Raise UnfitCheckpoint for UNets that want more than latents and a prompt (inpainting, depth, edits)."""
    channels = params["unet_config"]["params"]["in_channels"]
    if channels != _LATENT_CHANNELS:
        raise UnfitCheckpoint(
            f"the UNet takes {channels} channels; this server draws only with those that take "
            f"{_LATENT_CHANNELS}, so not with inpainting, depth or instruct checkpoints"
        )
    if not any(key.startswith((CLIP_1, OPEN_CLIP_2, CLIP_XL)) for key in weights):
        raise UnfitCheckpoint("the checkpoint holds no text encoder that this server knows")


def count(weights: Shapes, blocks: str, inside: str) -> int:
    """How many numbered blocks there are: `{blocks}0.{inside}`, `{blocks}1.{inside}`..."""
    number = 0
    while f"{blocks}{number}.{inside}" in weights:
        number += 1
    return number


def _parameterization(weights: Shapes) -> str | None:
    """None for Stable Diffusion 2, whose two kinds look the same."""
    if any(key.startswith(OPEN_CLIP_2) for key in weights):
        return None
    return "v" if "v_pred" in weights else "eps"  # a mark that SDXL checkpoints of this kind carry


def _unet_params(weights: Shapes) -> dict[str, Any]:
    channels, in_channels = weights[f"{UNET}input_blocks.0.0.weight"].shape[:2]
    levels = _levels(weights)
    middle = f"{UNET}middle_block.1."
    middle_depth = count(weights, f"{middle}transformer_blocks.", "norm1.weight")
    is_linear = weights[f"{middle}proj_in.weight"].ndim == 2
    params = {
        "in_channels": in_channels,
        "out_channels": weights[f"{UNET}out.2.weight"].shape[0],
        "model_channels": channels,
        "attention_resolutions": [2**i for i, level in enumerate(levels) if level.depth],
        "num_res_blocks": levels[0].resnets,
        "channel_mult": [level.channels // channels for level in levels],
        "use_linear_in_transformer": is_linear,
        "transformer_depth": [level.depth or middle_depth for level in levels],
        "context_dim": weights[f"{middle}transformer_blocks.0.attn2.to_k.weight"].shape[1],
    }
    params |= {"num_head_channels": _HEAD_WIDTH_2} if is_linear else {"num_heads": _HEADS_1}
    if (labels := weights.get(f"{UNET}label_emb.0.0.weight")) is not None:
        params |= {"num_classes": "sequential", "adm_in_channels": labels.shape[1]}
    return params


def _levels(weights: Shapes) -> list[_Level]:
    levels, number = [_Level()], 0
    while True:
        number += 1
        block = f"{UNET}input_blocks.{number}."
        if f"{block}0.op.weight" in weights:
            levels.append(_Level())
        elif (resnet := weights.get(f"{block}0.out_layers.3.weight")) is not None:
            level = levels[-1]
            level.channels, level.resnets = resnet.shape[0], level.resnets + 1
            level.depth = count(weights, f"{block}1.transformer_blocks.", "norm1.weight")
        else:
            return levels


def _vae_params(weights: Shapes) -> dict[str, Any]:
    channels, in_channels = weights[f"{VAE}encoder.conv_in.weight"].shape[:2]
    levels = count(weights, f"{VAE}encoder.down.", "block.0.conv1.weight")
    widths = [weights[f"{VAE}encoder.down.{i}.block.0.conv1.weight"].shape[0] for i in range(levels)]
    return {
        "z_channels": weights[f"{VAE}decoder.conv_in.weight"].shape[1],
        "in_channels": in_channels,
        "out_ch": weights[f"{VAE}decoder.conv_out.weight"].shape[0],
        "ch": channels,
        "ch_mult": [width // channels for width in widths],
        "num_res_blocks": count(weights, f"{VAE}encoder.down.0.block.", "conv1.weight"),
    }
