"""The noise schedule of Stable Diffusion 1.x (scaled linear, 1000 steps)."""

import torch
from torch import Tensor

from painter.model.config import BETA_END, BETA_START, NOISE_STEPS


def betas() -> Tensor:
    """Noise added at each step, float64."""
    return torch.linspace(BETA_START**0.5, BETA_END**0.5, NOISE_STEPS, dtype=torch.float64) ** 2


def signal_shares() -> Tensor:
    """alphas_cumprod: how much of the picture is left at each step, float32."""
    return torch.cumprod(1 - betas(), 0).float()


def signal_to_noise() -> Tensor:
    """The ratio at each step."""
    shares = signal_shares()
    return shares / (1 - shares)
