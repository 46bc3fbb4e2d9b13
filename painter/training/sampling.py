"""A small DDIM sampler and sheets of pictures, to look at while training; use diffusers or the webui else."""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from painter.model.config import LATENT_SCALE
from painter.model.schedule import signal_shares
from painter.model.text import TextModel
from painter.model.unet import UNet
from painter.model.vae import AutoencoderKL

PROMPTS = [
    "a red balloon over blue mountains at sunset",
    "a red circle on a blue background",
    "a white sailboat on the sea at night",
    "a small house in a green meadow, noon",
    "a yellow star on a black background",
    "a cactus in the desert at dawn",
    "a city skyline at night with a full moon",
    "three red balloons over the sea",
    "a black cat on a yellow background",
    "snowy mountains and a lake at sunrise",
    "a lighthouse on the right at dusk",
    "an autumn forest with a red tent",
    "a pink heart on a white background",
    "a green square to the left of an orange circle on a white background",
    "purple mountains under a pink sky",
    "a castle with red roofs on green hills in daylight",
    "blue and white stripes",
    "a palm tree on a beach at sunset",
]


@torch.no_grad()
def sample(
    unet: UNet,
    text: TextModel,
    vae: AutoencoderKL,
    ids: Tensor,
    empty: Tensor,
    side: int = 64,
    steps: int = 25,
    cfg: float = 5.0,
    seed: int = 0,
    dtype: torch.dtype = torch.bfloat16,
) -> Tensor:
    """Pictures (-1 to 1, NCHW) of the prompts `ids` (n x 77); `empty` (77) is the empty prompt's ids.

    side: of the latents; the picture's is eight times that.
    """
    device = ids.device
    shares = signal_shares().to(device)
    x = torch.randn(len(ids), 4, side, side, generator=torch.Generator().manual_seed(seed)).to(device)
    context = torch.cat([text(empty[None].expand(len(ids), -1)), text(ids)]).to(dtype)
    ts = torch.linspace(999, 0, steps + 1).round().long()[:-1].tolist()
    for i, t in enumerate(ts):
        share = shares[t]
        next_share = shares[ts[i + 1]] if i + 1 < len(ts) else torch.tensor(1.0, device=device)
        both = torch.cat([x, x]).to(dtype).contiguous(memory_format=torch.channels_last)
        t_both = torch.full((len(both),), t, device=device)
        without, with_text = unet(both, t_both, context).float().chunk(2)
        noise = without + cfg * (with_text - without)
        clean = (x - (1 - share).sqrt() * noise) / share.sqrt()
        x = next_share.sqrt() * clean + (1 - next_share).sqrt() * noise
    vae_dtype = next(vae.parameters()).dtype
    decoded = [vae.decode((z / LATENT_SCALE).to(vae_dtype)).float().clamp(-1, 1) for z in x.split(8)]
    return torch.cat(decoded)


def to_uint8(x: Tensor) -> np.ndarray:
    """-1 to 1, NCHW, as uint8 NHWC."""
    scaled = ((x.float().cpu() + 1) * 127.5).round().clamp(0, 255)
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).numpy()


def save_sheet(x: Tensor, file: Path, columns: int = 6) -> None:
    """The pictures (-1 to 1, NCHW) side by side in one PNG."""
    pictures = to_uint8(x)
    missing = -len(pictures) % columns
    pictures = np.concatenate([pictures, np.zeros((missing, *pictures.shape[1:]), np.uint8)])
    rows = [np.concatenate(list(pictures[i : i + columns]), 1) for i in range(0, len(pictures), columns)]
    cv2.imwrite(str(file), np.concatenate(rows, 0)[..., ::-1])
