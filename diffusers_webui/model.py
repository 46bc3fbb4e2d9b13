"""A loaded checkpoint, ready to draw.

Importing this module imports torch, diffusers and transformers, which takes seconds: only
the drawing thread does.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from diffusers_webui.checkpoints import Checkpoint
from diffusers_webui.networks import Networks
from diffusers_webui.pipeline_folder import read_pipeline_folder
from diffusers_webui.precision import Precision
from diffusers_webui.single_file import read_single_file, read_vae

#: of pure noise a velocity model gives back less than this share, a noise model nearly all
_ECHO = 0.5
_LATENTS = (1, 4, 8, 8)


@dataclass
class Model(Networks):
    """The networks of one checkpoint where they draw."""

    checkpoint: Checkpoint
    precision: Precision

    @property
    def device(self) -> torch.device:
        return self.precision.device

    @property
    def is_xl(self) -> bool:
        return any(text.is_pooled for text in self.texts)

    @property
    def dtype(self) -> torch.dtype:
        """Of the UNet and the text encoders; the VAE has its own."""
        return self.precision.dtype


def load_model(checkpoint: Checkpoint, precision: Precision, clip_dir: Path | None = None) -> Model:
    """Read a checkpoint whole and build it. Nothing is left behind when it fails.

    clip_dir: where CLIP's vocabulary may lie when it is not beside the checkpoint.
    Raises UnreadableCheckpoint, RefusedCheckpoint, UnfitCheckpoint or MissingTokenizer.
    """
    if checkpoint.path.is_dir():
        networks = read_pipeline_folder(checkpoint.path)
    else:
        networks = read_single_file(checkpoint.path, checkpoint.config, clip_dir)
    model = Model(**vars(networks), checkpoint=checkpoint, precision=precision)
    for network in (model.unet, *(text.network for text in model.texts)):
        _make_ready(network, precision.device, precision.dtype)
    _make_ready(model.vae, precision.device, precision.vae_dtype)
    if precision.is_compiled:
        # in place, so that LoRA find the same modules; a size that is new is compiled for itself
        model.unet.compile(mode="reduce-overhead", dynamic=False)
    if model.is_v_prediction is None:
        model.is_v_prediction = answers_with_velocity(model)
    return model


def load_vae(file: Path, model: Model) -> Any:
    """The VAE of a file, for this model. Raises as load_model does."""
    vae = read_vae(file, model.vae)
    _make_ready(vae, model.device, model.precision.vae_dtype)
    return vae


@torch.inference_mode()
def answers_with_velocity(model: Model) -> bool:
    """Ask the UNet: of pure noise at the noisiest timestep, a noise model gives back what it was given.

    Nothing in the files of Stable Diffusion 2 says whether they are of this kind.
    """
    noise = torch.randn(_LATENTS, generator=torch.Generator("cpu").manual_seed(0)).to(model.device)
    width = model.unet.config.cross_attention_dim
    context = torch.zeros((1, 77, width), device=model.device, dtype=model.dtype)
    last = torch.tensor(len(model.alphas_cumprod) - 1, device=model.device)
    answer = model.unet(noise.to(model.dtype), last, encoder_hidden_states=context, return_dict=False)[0]
    return bool((answer.float() * noise).sum() / (noise * noise).sum() < _ECHO)


def _make_ready(network: Any, device: torch.device, dtype: torch.dtype) -> None:
    """Put a network where it draws, in the memory format that convolutions like.

    channels_last against the plain format: a UNet step of the demo model, 512x512, on 2 busy CPU cores 0.45 s
    against 0.46 s; one of Stable Diffusion 1.5's shape on an H200, float16, 24.9 ms against 27.1 ms, and
    without the time between kernels (as a CUDA graph) 10.2 ms against 11.9 ms.
    """
    # The plain `to`: diffusers' own warns about modules that it would keep in float32, an empty list here.
    # In one call each weight is written once: a float16 file is widened and laid out in the same pass.
    torch.nn.Module.to(network, device=device, dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.eval().requires_grad_(False)
