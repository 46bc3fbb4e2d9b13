"""The walks that samplers make from noise to latents, along noise levels as k-diffusion has them.

diffusers' own schedulers do not take every noise schedule (Euler a, LCM), or need scipy and torchsde
(LMS, DPM++ SDE); a few lines each do. UniPC is diffusers'.
Source: k-diffusion sampling.py.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffusers_webui.sigmas import NoiseTable


@dataclass(frozen=True)
class Churn:
    """Noise that some samplers add on the way: the webui's fields s_churn, s_tmin, s_tmax, s_noise."""

    amount: float = 0.0  #: s_churn; 0 is none
    lowest: float = 0.0  #: s_tmin: noise levels below it are left alone
    highest: float = math.inf  #: s_tmax: those above it too
    strength: float = 1.0  #: s_noise: times all noise that is added


@dataclass
class Road:
    """One walk from noise to latents."""

    denoise: Callable[[Tensor, Tensor], Tensor]  #: (x, sigma) -> the model's guess of the clean latents
    noise: Callable[[], Tensor]  #: fresh noise, one stream for each picture
    on_step: Callable[[int, Tensor], None]  #: told of every step and its guess, before x moves
    sigmas: Tensor  #: falling noise levels
    eta: float  #: share of the noise that ancestral samplers put back
    table: NoiseTable
    churn: Churn = Churn()


def euler(x: Tensor, road: Road) -> Tensor:
    for i, sigma, after in _steps(road):
        x, sigma = _churned(x, sigma, road)
        denoised = road.denoise(x, sigma)
        road.on_step(i, denoised)
        x = x + (x - denoised) / sigma * (after - sigma)
    return x


def euler_ancestral(x: Tensor, road: Road) -> Tensor:
    for i, sigma, after in _steps(road):
        denoised = road.denoise(x, sigma)
        road.on_step(i, denoised)
        down, up = _ancestral(sigma, after, road.eta)
        x = x + (x - denoised) / sigma * (down - sigma)
        if up > 0:
            x = x + road.noise() * up
    return x


def heun(x: Tensor, road: Road) -> Tensor:
    for i, sigma, after in _steps(road):
        x, sigma = _churned(x, sigma, road)
        denoised = road.denoise(x, sigma)
        road.on_step(i, denoised)
        slope = (x - denoised) / sigma
        ahead = x + slope * (after - sigma)
        if after > 0:
            slope = (slope + (ahead - road.denoise(ahead, after)) / after) / 2
            ahead = x + slope * (after - sigma)
        x = ahead
    return x


def lms(x: Tensor, road: Road) -> Tensor:
    slopes: list[Tensor] = []
    levels = road.sigmas.double().numpy()
    for i, sigma, _ in _steps(road):
        denoised = road.denoise(x, sigma)
        road.on_step(i, denoised)
        slopes = [(x - denoised) / sigma, *slopes[:3]]
        for j, slope in enumerate(slopes):
            x = x + slope * _multistep_share(levels, len(slopes), i, j)
    return x


def dpmpp_2m(x: Tensor, road: Road) -> Tensor:
    before: Tensor | None = None
    for i, sigma, after in _steps(road):
        denoised = road.denoise(x, sigma)
        road.on_step(i, denoised)
        guess, h = denoised, (sigma / after).log()
        if before is not None and after > 0:
            ratio = (road.sigmas[i - 1] / sigma).log() / h
            guess = (1 + 1 / (2 * ratio)) * denoised - 1 / (2 * ratio) * before
        x = after / sigma * x - torch.expm1(-h) * guess  # h is infinite at the end: x becomes the guess
        before = denoised
    return x


def dpmpp_2m_sde(x: Tensor, road: Road) -> Tensor:
    before: Tensor | None = None
    for i, sigma, after in _steps(road):
        denoised = road.denoise(x, sigma)
        road.on_step(i, denoised)
        if after == 0:
            return denoised
        h = (sigma / after).log()
        shrink = -torch.expm1(-h * (1 + road.eta))
        x, last = after / sigma * torch.exp(-road.eta * h) * x + shrink * denoised, before
        if last is not None:
            x = x + 0.5 * shrink * (h / (road.sigmas[i - 1] / sigma).log()) * (denoised - last)
        x = x + road.noise() * road.churn.strength * after * (-torch.expm1(-2 * road.eta * h)).sqrt()
        before = denoised
    return x


def dpmpp_sde(x: Tensor, road: Road) -> Tensor:
    for i, sigma, after in _steps(road):
        denoised = road.denoise(x, sigma)
        road.on_step(i, denoised)
        if after == 0:
            return denoised
        middle = (sigma * after).sqrt()
        # one Brownian path: the noise of the whole step is the sum of its two halves
        first, second = road.noise() * (sigma - middle).sqrt(), road.noise() * (middle - after).sqrt()
        first, second = first * road.churn.strength, second * road.churn.strength
        down, up = _ancestral(sigma, middle, road.eta)
        halfway = down / sigma * x - (down / sigma - 1) * denoised + first / (sigma - middle).sqrt() * up
        denoised = road.denoise(halfway, middle)
        down, up = _ancestral(sigma, after, road.eta)
        x = down / sigma * x - (down / sigma - 1) * denoised + (first + second) / (sigma - after).sqrt() * up
    return x


def lcm(x: Tensor, road: Road) -> Tensor:
    for i, sigma, after in _steps(road):
        x = road.denoise(x, sigma)
        road.on_step(i, x)
        if after > 0:
            x = x + road.noise() * after
    return x


def uni_pc(x: Tensor, road: Road) -> Tensor:
    from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler

    steps = len(road.sigmas) - 1
    solver: Any = UniPCMultistepScheduler(solver_order=3, solver_type="bh1")
    # instead of set_timesteps, whose timesteps are not ours: it steps along sigmas, by index
    solver.num_inference_steps, solver.timesteps, solver.sigmas = (
        steps,
        torch.arange(steps, 0, -1),
        road.sigmas,
    )
    solver.set_begin_index(0)
    for i, sigma, after in _steps(road):
        denoised = road.denoise(x, sigma)
        road.on_step(i, denoised)
        # diffusers keeps the variance at 1, k-diffusion adds noise on top: one scale lies between the two
        moved = solver.step(
            (x - denoised) / sigma, solver.timesteps[i], x / (1 + sigma**2).sqrt(), return_dict=False
        )
        x = moved[0] * (1 + after**2).sqrt()
    return x


def _steps(road: Road) -> list[tuple[int, Tensor, Tensor]]:
    return [(i, road.sigmas[i], road.sigmas[i + 1]) for i in range(len(road.sigmas) - 1)]


def _churned(x: Tensor, sigma: Tensor, road: Road) -> tuple[Tensor, Tensor]:
    """Back up to a noisier level before a step. Source: k-diffusion sampling.py, sample_euler."""
    churn = road.churn
    if churn.amount <= 0 or not churn.lowest <= float(sigma) <= churn.highest:
        return x, sigma
    share = min(churn.amount / (len(road.sigmas) - 1), 2**0.5 - 1)
    higher = sigma * (1 + share)
    return x + road.noise() * churn.strength * (higher**2 - sigma**2).sqrt(), higher


def _ancestral(sigma: Tensor, after: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """How far to step down, and how much noise to put back to arrive at the next level."""
    up = torch.minimum(after, eta * (after**2 * (sigma**2 - after**2) / sigma**2).clamp(min=0).sqrt())
    return (after**2 - up**2).clamp(min=0).sqrt(), up


def _multistep_share(levels: Any, order: int, i: int, j: int) -> float:
    """Integral over the step of the Lagrange polynomial that is 1 at the j-th slope back."""
    polynomial = np.poly1d([1.0])
    for k in range(order):
        if k != j:
            polynomial *= np.poly1d([1.0, -levels[i - k]]) / (levels[i - j] - levels[i - k])
    area = polynomial.integ()
    return float(area(levels[i + 1]) - area(levels[i]))
