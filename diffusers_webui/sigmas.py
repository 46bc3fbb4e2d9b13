"""Noise levels: a model's own table of them, and the schedules that walk down it.

Sources: k-diffusion external.py (DiscreteSchedule), stable-diffusion-webui modules/sd_schedulers.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from diffusers_webui.listings import SCHEDULERS


class NoiseTable:
    """The noise level of every training timestep, and both ways between the two."""

    def __init__(self, alphas_cumprod: torch.Tensor):
        self.sigmas = ((1 - alphas_cumprod) / alphas_cumprod).sqrt()
        self._logs = self.sigmas.log()

    @property
    def smallest(self) -> float:
        return float(self.sigmas[0])

    @property
    def greatest(self) -> float:
        return float(self.sigmas[-1])

    def timestep(self, sigma: torch.Tensor) -> torch.Tensor:
        """The timestep of a noise level, between two where it falls between."""
        log = sigma.log()
        low = int(torch.clamp((self._logs <= log).sum() - 1, 0, len(self._logs) - 2))
        share = (log - self._logs[low]) / (self._logs[low + 1] - self._logs[low])
        return torch.clamp(low + share, 0, len(self._logs) - 1)

    def sigma(self, timestep: torch.Tensor) -> torch.Tensor:
        """The noise level of a timestep, whole or not."""
        low, high, share = timestep.floor().long(), timestep.ceil().long(), timestep.frac()
        return ((1 - share) * self._logs[low] + share * self._logs[high]).exp()

    def along(self, timesteps: torch.Tensor) -> torch.Tensor:
        """Noise levels of falling timesteps, and the zero at the end."""
        return _closed(self.sigma(timesteps))


@dataclass(frozen=True)
class Scheduler:
    """One entry of GET /schedulers with its noise levels."""

    listing: dict[str, Any]
    levels: Callable[[int, NoiseTable], torch.Tensor]

    @property
    def name(self) -> str:
        return str(self.listing["name"])

    @property
    def label(self) -> str:
        return str(self.listing["label"])


def _uniform(steps: int, table: NoiseTable) -> torch.Tensor:
    return table.along(torch.linspace(len(table.sigmas) - 1, 0, steps))


def _sgm_uniform(steps: int, table: NoiseTable) -> torch.Tensor:
    return table.along(torch.linspace(len(table.sigmas) - 1, 0, steps + 1)[:-1])


def _simple(steps: int, table: NoiseTable) -> torch.Tensor:
    stride = len(table.sigmas) / steps
    return _closed(torch.stack([table.sigmas[-(1 + int(i * stride))] for i in range(steps)]))


def _karras(steps: int, table: NoiseTable) -> torch.Tensor:
    rho, ramp = 7.0, torch.linspace(0, 1, steps)
    low, high = table.smallest ** (1 / rho), table.greatest ** (1 / rho)
    return _closed((high + ramp * (low - high)) ** rho)


def _exponential(steps: int, table: NoiseTable) -> torch.Tensor:
    logs = table.sigmas.log()
    return _closed(torch.linspace(float(logs[-1]), float(logs[0]), steps).exp())


def _closed(sigmas: torch.Tensor) -> torch.Tensor:
    return torch.cat([sigmas, sigmas.new_zeros([1])])


_LEVELS: dict[str, Callable[[int, NoiseTable], torch.Tensor]] = {
    "automatic": _uniform,
    "uniform": _uniform,
    "karras": _karras,
    "exponential": _exponential,
    "polyexponential": _exponential,  # the same curve at the only rho that the API offers, 1
    "sgm_uniform": _sgm_uniform,
    "simple": _simple,
    "normal": _uniform,
}

ALL = tuple(Scheduler(listing, _LEVELS[str(listing["name"])]) for listing in SCHEDULERS)
_BY_NAME = {key: one for one in ALL for key in (one.label, one.name)}


def scheduler_named(name: str | None) -> Scheduler:
    """By name or label; an unknown one is Automatic, as in the stock webui."""
    return _BY_NAME.get(name or "", ALL[0])
