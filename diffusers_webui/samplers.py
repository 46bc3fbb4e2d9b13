"""Samplers by their stock names, on noise levels as k-diffusion has them, which any scheduler can give.

diffusers' own schedulers do not take every noise schedule (Euler a, Heun, LCM), or need scipy and torchsde
(LMS, DPM++ SDE); a few lines each do. UniPC is diffusers'.
Sources: k-diffusion sampling.py, stable-diffusion-webui modules/sd_samplers*.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffusers_webui.listings import SAMPLERS
from diffusers_webui.sigmas import ALL as SCHEDULERS
from diffusers_webui.sigmas import NoiseTable, Scheduler, scheduler_named


@dataclass
class Road:
    """One walk from noise to latents."""

    denoise: Callable[[Tensor, Tensor], Tensor]  #: (x, sigma) -> the model's guess of the clean latents
    noise: Callable[[], Tensor]  #: fresh noise, one stream for each picture
    on_step: Callable[[int, Tensor], None]  #: told of every step and its guess, before x moves
    sigmas: Tensor  #: falling noise levels
    eta: float  #: share of the noise that ancestral samplers put back
    table: NoiseTable


def euler(x: Tensor, road: Road) -> Tensor:
    for i, sigma, after in _steps(road):
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
        x = x + road.noise() * after * (-torch.expm1(-2 * road.eta * h)).sqrt()
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


def _ddim_levels(steps: int, table: NoiseTable) -> Tensor:
    """The first DDIM's timesteps: evenly spaced, one added, down to the least noisy one instead of zero."""
    count = len(table.sigmas)
    timesteps = (torch.arange(0, count, max(count // steps, 1)) + 1).clamp(max=count - 1)[:steps]
    return table.sigmas[torch.cat([timesteps.flip(0), timesteps.new_zeros([1])])]


def _uni_pc_levels(steps: int, table: NoiseTable) -> Tensor:
    # it divides by the last level, so that one is the least noisy instead of zero
    return table.sigma(torch.linspace(len(table.sigmas) - 1, 0, steps + 1))


@dataclass(frozen=True)
class Sampler:
    """One entry of GET /samplers with what it does."""

    listing: dict[str, Any]
    walk: Callable[[Tensor, Road], Tensor]
    own_levels: Callable[[int, NoiseTable], Tensor] | None = None  #: set: the scheduler is not asked
    eta_option: str = "eta_ancestral"  #: option with the default of `eta`
    unit_start: bool = False  #: begins at variance 1, as timestep samplers do

    @property
    def name(self) -> str:
        return str(self.listing["name"])

    def scheduler(self, chosen: Scheduler) -> Scheduler:
        """The scheduler that Automatic stands for with this sampler."""
        own = self.listing["options"].get("scheduler")
        return scheduler_named(own) if chosen.name == "automatic" and own else chosen

    def levels(self, chosen: Scheduler, steps: int, table: NoiseTable) -> Tensor:
        """The noise levels of a drawing, falling."""
        return (self.own_levels or self.scheduler(chosen).levels)(steps, table)


_WALKS: dict[str, dict[str, Any]] = {
    "DPM++ 2M": {"walk": dpmpp_2m},
    "DPM++ SDE": {"walk": dpmpp_sde},
    "DPM++ 2M SDE": {"walk": dpmpp_2m_sde},
    "Euler a": {"walk": euler_ancestral},
    "Euler": {"walk": euler},
    "LMS": {"walk": lms},
    "Heun": {"walk": heun},
    "DDIM": {
        "walk": euler_ancestral,
        "own_levels": _ddim_levels,
        "eta_option": "eta_ddim",
        "unit_start": True,
    },
    "UniPC": {"walk": uni_pc, "own_levels": _uni_pc_levels, "unit_start": True},
    "LCM": {"walk": lcm},
}

ALL = tuple(Sampler(listing, **_WALKS[str(listing["name"])]) for listing in SAMPLERS)
_BY_NAME = {one.name: one for one in ALL}


def choose(sampler_name: str | None, scheduler_name: str | None) -> tuple[Sampler, Scheduler]:
    """Sampler and scheduler for a request.

    Silently, as in the stock webui, an unknown sampler becomes the first of the list and an unknown scheduler
    Automatic; "DPM++ 2M Karras" is both in one.
    Source: modules/sd_samplers.py, get_sampler_and_scheduler.
    """
    name, scheduler = sampler_name or ALL[0].name, scheduler_named(scheduler_name)
    for one in SCHEDULERS:
        for ending in (one.label, one.name, *(one.listing["aliases"] or [])):
            if name.endswith(f" {ending}"):
                name, scheduler = name[: -len(ending) - 1], one
                break
    sampler = _BY_NAME.get(name, ALL[0])
    if sampler.listing["options"].get("scheduler") == scheduler.name:
        scheduler = SCHEDULERS[0]
    return sampler, scheduler
