"""Samplers by their stock names: how each walks, on which noise levels, and which fields it takes.

Source: stable-diffusion-webui modules/sd_samplers*.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from diffusers_webui import walks
from diffusers_webui.listings import SAMPLERS
from diffusers_webui.sigmas import ALL as SCHEDULERS
from diffusers_webui.sigmas import NoiseTable, Scheduler, scheduler_named
from diffusers_webui.walks import Road


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
    takes_eta: bool = False  #: field eta has a say
    churn_fields: tuple[str, ...] = ()  #: those of s_churn, s_tmin, s_tmax and s_noise that have a say

    @property
    def name(self) -> str:
        return str(self.listing["name"])

    @property
    def uses_seed_delta(self) -> bool:
        """Whether an infotext tells option eta_noise_seed_delta with this sampler."""
        return "uses_ensd" in self.listing["options"]

    def scheduler(self, chosen: Scheduler) -> Scheduler:
        """The scheduler that Automatic stands for with this sampler."""
        own = self.listing["options"].get("scheduler")
        return scheduler_named(own) if chosen.name == "automatic" and own else chosen

    def calls(self, steps: int) -> int:
        """How often the model is asked, as prompts count it."""
        return steps * (2 if "second_order" in self.listing["options"] else 1)

    def first_latents(self, noise: Tensor, sigma: Tensor) -> Tensor:
        """Where a drawing from nothing begins. sigma: its first noise level."""
        return noise * ((1 + sigma**2).sqrt() if self.unit_start else sigma)

    def levels(self, chosen: Scheduler, steps: int, table: NoiseTable) -> Tensor:
        """The noise levels of a drawing, falling."""
        return (self.own_levels or self.scheduler(chosen).levels)(steps, table)


_CHURN_FIELDS = ("s_churn", "s_tmin", "s_tmax", "s_noise")

_WALKS: dict[str, dict[str, Any]] = {
    "DPM++ 2M": {"walk": walks.dpmpp_2m},
    "DPM++ SDE": {"walk": walks.dpmpp_sde, "takes_eta": True, "churn_fields": ("s_noise",)},
    "DPM++ 2M SDE": {"walk": walks.dpmpp_2m_sde, "takes_eta": True, "churn_fields": ("s_noise",)},
    "Euler a": {"walk": walks.euler_ancestral, "takes_eta": True},
    "Euler": {"walk": walks.euler, "churn_fields": _CHURN_FIELDS},
    "LMS": {"walk": walks.lms},
    "Heun": {"walk": walks.heun, "churn_fields": _CHURN_FIELDS},
    "DDIM": {
        "walk": walks.euler_ancestral,
        "own_levels": _ddim_levels,
        "eta_option": "eta_ddim",
        "unit_start": True,
        "takes_eta": True,
    },
    "UniPC": {"walk": walks.uni_pc, "own_levels": _uni_pc_levels, "unit_start": True},
    "LCM": {"walk": walks.lcm},
}

ALL = tuple(Sampler(listing, **_WALKS[str(listing["name"])]) for listing in SAMPLERS)
_BY_NAME = {one.name: one for one in ALL}


def named(name: str | None) -> Sampler:
    """The sampler of this name; an unknown one is the first of the list, as in the stock webui."""
    return _BY_NAME.get(name or "", ALL[0])


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
    sampler = named(name)
    if sampler.listing["options"].get("scheduler") == scheduler.name:
        scheduler = SCHEDULERS[0]
    return sampler, scheduler
