"""Networks from an original-format file: UNet, VAE and text encoders with their weights in one place."""

from pathlib import Path
from typing import Any

import torch
from diffusers.loaders import single_file_utils as ldm
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from diffusers_webui.architecture import Architecture, architecture_of
from diffusers_webui.detection import OPEN_CLIP_XL, VAE, check_drawable, is_xl
from diffusers_webui.errors import UnfitCheckpoint
from diffusers_webui.networks import Networks, alphas_cumprod, load_tokenizer
from diffusers_webui.text_encoders import build_text_encoders
from diffusers_webui.weights import Weights, read_weights

#: what diffusers, transformers and torch raise when weights are not those of the described network
_MISFITS = (KeyError, ValueError, RuntimeError, AttributeError, IndexError, TypeError, ZeroDivisionError)

#: numbers that SDXL is told beside the prompt: two sizes and a corner
_XL_SIZES = 6


def read_single_file(path: Path, config: Path | None, clip_dir: Path | None) -> Networks:
    """Read and build a checkpoint file. config: the yaml beside it. clip_dir: where a vocabulary may lie.

    Raises UnreadableCheckpoint, RefusedCheckpoint, UnfitCheckpoint or MissingTokenizer.
    """
    weights = read_weights(path)
    architecture = architecture_of(config, weights)
    params = architecture.params
    try:
        check_drawable(weights, params)
        unet = _build_unet(architecture, weights)
        vae = _build_vae(architecture, weights)
        texts = build_text_encoders(weights, architecture.clip_folder)
    except _MISFITS as error:
        raise UnfitCheckpoint(f"{path.name} does not fit its description: {str(error)[:2000]}") from error
    return Networks(
        unet,
        vae,
        texts,
        load_tokenizer(architecture.clip_folder, path.parent / "clip", clip_dir),
        alphas_cumprod(
            float(params.get("linear_start", 0.00085)),
            float(params.get("linear_end", 0.012)),
            int(params.get("timesteps", 1000)),
        ),
        float(params.get("scale_factor", 0.18215)),
        architecture.is_v_prediction,
    )


def read_vae(path: Path, like: AutoencoderKL) -> AutoencoderKL:
    """The VAE of a file, which must be as large as the checkpoint's own. Raises as read_single_file does."""
    weights = read_weights(path)
    try:
        if not any(".down_blocks." in key for key in weights):  # else diffusers' own names
            weights = ldm.convert_ldm_vae_checkpoint(weights, like.config)
        with torch.device("meta"):
            vae: Any = AutoencoderKL(**like.config)
        vae.load_state_dict(weights, assign=True)
    except _MISFITS as error:
        raise UnfitCheckpoint(
            f"{path.name} does not fit the checkpoint's VAE: {str(error)[:2000]}"
        ) from error
    return vae


def _build_vae(architecture: Architecture, weights: Weights) -> Any:
    own = {key: value for key, value in weights.items() if key.startswith(VAE)}
    config = ldm.create_vae_diffusers_config_from_ldm(architecture.config, own)
    with torch.device("meta"):
        vae = AutoencoderKL(**config)
    vae.load_state_dict(ldm.convert_ldm_vae_checkpoint(own, config), assign=True)
    return vae


def _build_unet(architecture: Architecture, weights: Weights) -> Any:
    config = ldm.create_unet_diffusers_config_from_ldm(architecture.config, weights)
    if is_xl(weights):
        # diffusers goes by the width of the text, which is another in small models
        told, heard = config["projection_class_embeddings_input_dim"], _pooled_width(weights)
        config |= {
            "class_embed_type": None,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": (told - heard) // _XL_SIZES,
        }
    with torch.device("meta"):
        unet = UNet2DConditionModel(**config)
    unet.load_state_dict(ldm.convert_ldm_unet_checkpoint(weights, unet.config), assign=True)
    return unet


def _pooled_width(weights: Weights) -> int:
    return weights[f"{OPEN_CLIP_XL}text_projection"].shape[1]
