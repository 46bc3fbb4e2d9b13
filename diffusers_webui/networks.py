"""What every kind of checkpoint comes down to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPTokenizer

from diffusers_webui.architecture import DEFAULT_CLIP
from diffusers_webui.errors import MissingTokenizer
from diffusers_webui.text import TextEncoder

#: tokens that every CLIP of Stable Diffusion knows
_VOCABULARY = 49408


@dataclass
class Networks:
    """The networks of one checkpoint, and how they want to be used."""

    unet: Any  #: UNet2DConditionModel
    vae: Any  #: AutoencoderKL
    texts: list[TextEncoder]  #: in the order in which the UNet hears them
    tokenizer: Any  #: CLIPTokenizer: all encoders have one vocabulary
    alphas_cumprod: torch.Tensor  #: of the training schedule, one per timestep
    scale_factor: float  #: latents are VAE latents times this
    #: the UNet answers with the velocity instead of the noise; None: it must be asked
    is_v_prediction: bool | None


def alphas_cumprod(start: float, end: float, steps: int) -> torch.Tensor:
    """The training schedule of Stable Diffusion: betas that are even in their square roots."""
    betas = torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, dim=0).float()


def load_tokenizer(*folders: Path | None) -> Any:
    """CLIP's tokenizer from the first folder that is there, or from the Hugging Face cache.

    Nothing is fetched. Raises MissingTokenizer.
    """
    where = next((folder for folder in folders if folder is not None and folder.is_dir()), DEFAULT_CLIP)
    try:
        tokenizer = CLIPTokenizer.from_pretrained(where, local_files_only=True)
    except (OSError, ValueError, TypeError):  # transformers 4 says so, transformers 5 gives an empty one
        tokenizer = None
    if tokenizer is None or len(tokenizer) < _VOCABULARY:
        raise MissingTokenizer(
            f"Can't load tokenizer for '{where}': put a folder clip/ with vocab.json and merges.txt beside "
            "the checkpoint, or start with --clip-dir FOLDER"
        )
    return tokenizer
