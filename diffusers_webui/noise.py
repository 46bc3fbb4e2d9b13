"""Noise for a batch: one stream for each picture, so that a picture is the same alone and among others.

Source: stable-diffusion-webui modules/rng.py (ImageRNG).
"""

import torch
from torch import Tensor

from diffusers_webui.hires import Hires
from diffusers_webui.job import Job


class Noise:
    """The streams of one batch. Drawn on the CPU, so that a seed means the same picture on every machine."""

    def __init__(self, job: Job, leg: Job | Hires, part: slice, device: torch.device, seed_delta: int):
        """leg: the pass that is drawn, which says the size. part: the pictures of the batch."""
        self._shape = (4, leg.height // 8, leg.width // 8)
        self._first_shape = self._shape
        if job.seed_resize_from is not None:
            width, height = job.seed_resize_from
            self._first_shape = (4, height // 8, width // 8)
        self._seeds, self._subseeds = job.seeds[part], job.subseeds[part]
        self._strength = job.subseed_strength
        self._streams = [_stream(seed) for seed in self._seeds]
        self._delta = seed_delta
        self._device = device

    def first(self) -> Tensor:
        """The noise that the drawing begins with."""
        is_resized = self._first_shape != self._shape
        streams = [_stream(seed) for seed in self._seeds] if is_resized else self._streams
        noises = [torch.randn(self._first_shape, generator=stream) for stream in streams]
        if self._strength != 0:
            others = [
                torch.randn(self._first_shape, generator=_stream(subseed)) for subseed in self._subseeds
            ]
            noises = [
                _slerp(self._strength, noise, other) for noise, other in zip(noises, others, strict=True)
            ]
        if is_resized:
            own = [torch.randn(self._shape, generator=stream) for stream in self._streams]
            noises = [_laid_over(whole, noise) for whole, noise in zip(own, noises, strict=True)]
        if self._delta:
            self._streams = [_stream(seed + self._delta) for seed in self._seeds]
        return torch.stack(noises).to(self._device)

    def next(self) -> Tensor:
        """Fresh noise for one step of an ancestral sampler."""
        return torch.stack([torch.randn(self._shape, generator=stream) for stream in self._streams]).to(
            self._device
        )


def _stream(seed: int) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(seed)


def _laid_over(whole: Tensor, part: Tensor) -> Tensor:
    """`part` in the middle of `whole`; what is too large is cut on both sides."""
    for axis in (1, 2):
        cut = max(part.shape[axis] - whole.shape[axis], 0) // 2
        part = part.narrow(axis, cut, min(part.shape[axis], whole.shape[axis]))
    top, left = ((whole.shape[axis] - part.shape[axis]) // 2 for axis in (1, 2))
    whole[:, top : top + part.shape[1], left : left + part.shape[2]] = part
    return whole


def _slerp(share: float, low: Tensor, high: Tensor) -> Tensor:
    low_unit = low / torch.norm(low, dim=1, keepdim=True)
    high_unit = high / torch.norm(high, dim=1, keepdim=True)
    dot = (low_unit * high_unit).sum(1)
    if dot.mean() > 0.9995:
        return low * share + high * (1 - share)
    omega = torch.acos(dot)
    so = torch.sin(omega)
    return (torch.sin((1.0 - share) * omega) / so).unsqueeze(1) * low + (
        torch.sin(share * omega) / so
    ).unsqueeze(1) * high
