"""Hires fix: what the second pass draws, and how the first pass's latents grow to its size.

Source: stable-diffusion-webui modules/processing.py (StableDiffusionProcessingTxt2Img); the field names of
the infotext are in every picture that it makes.
"""

from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from diffusers_webui import samplers
from diffusers_webui.errors import MissingStrength, UnknownHiresUpscaler
from diffusers_webui.listings import LATENT_UPSCALERS, UPSCALERS, WEIGHTLESS_UPSCALERS
from diffusers_webui.prompt import ExtraNetwork, split_extra_networks
from diffusers_webui.samplers import Sampler
from diffusers_webui.sigmas import Scheduler, scheduler_named

_LATENT_DEFAULT = "Latent"
_SAME = (None, "", "Use same sampler", "Use same scheduler", "Use same checkpoint")


@dataclass(frozen=True)
class Hires:
    """The second pass. Fields that the first pass has too bear the same names."""

    width: int  #: of the finished picture
    height: int
    grown_width: int  #: before it is cropped to the finished size
    grown_height: int
    steps: int
    sampler: Sampler
    scheduler: Scheduler
    denoising_strength: float
    upscaler: str
    checkpoint: str | None  #: name of the checkpoint that draws it; None: the first pass's
    text: str  #: the prompt without tags
    tags: dict[str, list[ExtraNetwork]]
    negative_prompt: str

    @property
    def is_latent(self) -> bool:
        return self.upscaler in LATENT_UPSCALERS


def settle_hires(body: dict[str, Any], prompt: str, negative: str, first: tuple[Sampler, Scheduler]) -> Hires:
    """The second pass of a body with enable_hr. Raises what the stock webui raises.

    prompt, negative: the second pass's own, where it has any. first: sampler and scheduler of the first pass.
    """
    upscaler = body["hr_upscaler"] if body["hr_upscaler"] is not None else _LATENT_DEFAULT
    known = {*LATENT_UPSCALERS, *(one["name"] for one in UPSCALERS), *WEIGHTLESS_UPSCALERS}
    if upscaler not in known:
        raise UnknownHiresUpscaler(upscaler)
    if body["denoising_strength"] is None:
        raise MissingStrength
    grown, final = _sizes(body)
    sampler = first[0] if body["hr_sampler_name"] in _SAME else samplers.named(body["hr_sampler_name"])
    scheduler = first[1] if body["hr_scheduler"] in _SAME else scheduler_named(body["hr_scheduler"])
    text, tags = (prompt, {}) if body["disable_extra_networks"] else split_extra_networks(prompt)
    return Hires(
        width=final[0],
        height=final[1],
        grown_width=grown[0],
        grown_height=grown[1],
        steps=body["hr_second_pass_steps"] or body["steps"],
        sampler=sampler,
        scheduler=scheduler,
        denoising_strength=body["denoising_strength"],
        upscaler=upscaler,
        checkpoint=None if body["hr_checkpoint_name"] in _SAME else body["hr_checkpoint_name"],
        text=text,
        tags=tags,
        negative_prompt=negative,
    )


def parameters_of(body: dict[str, Any], hr_prompt: str | None, hr_negative: str | None) -> dict[str, Any]:
    """What the infotext says of a second pass, in the stock webui's order. None is left out there.

    hr_prompt, hr_negative: None where they are the first pass's.
    """
    parameters: dict[str, Any] = {"Denoising strength": body["denoising_strength"]}
    if body["hr_sampler_name"] not in (*_SAME, body["sampler_name"] or body["sampler_index"]):
        parameters["Hires sampler"] = body["hr_sampler_name"]
    parameters["Hires prompt"], parameters["Hires negative prompt"] = hr_prompt, hr_negative
    same_scheduler = body["hr_scheduler"] in (*_SAME, body["scheduler"])
    parameters["Hires schedule type"] = (
        None if same_scheduler else scheduler_named(body["hr_scheduler"]).label
    )
    if body["hr_resize_x"] or body["hr_resize_y"]:
        parameters["Hires resize"] = f"{body['hr_resize_x'] or 0}x{body['hr_resize_y'] or 0}"
    else:
        parameters["Hires upscale"] = body["hr_scale"]
    parameters["Hires steps"] = body["hr_second_pass_steps"] or None
    parameters["Hires upscaler"] = body["hr_upscaler"]
    absent = ("Hires steps", "Hires upscaler")
    return {key: value for key, value in parameters.items() if value is not None or key not in absent}


def grown_latents(latents: Tensor, hires: Hires) -> Tensor:
    """Latents at the size before the crop."""
    mode, is_antialiased = LATENT_UPSCALERS[hires.upscaler]
    size = (hires.grown_height // 8, hires.grown_width // 8)
    return torch.nn.functional.interpolate(latents, size=size, mode=mode, antialias=is_antialiased)


def grown_picture(picture: Image.Image, hires: Hires) -> Image.Image:
    """A picture at the size before the crop. An upscaler whose weights are not on disk is a plain resize."""
    method = Image.Resampling.NEAREST if hires.upscaler == "Nearest" else Image.Resampling.LANCZOS
    return picture.resize((hires.grown_width // 8 * 8, hires.grown_height // 8 * 8), method)


def cropped(latents: Tensor, hires: Hires) -> Tensor:
    """The middle, at the finished size."""
    top = (latents.shape[2] - hires.height // 8) // 2
    left = (latents.shape[3] - hires.width // 8) // 2
    return latents[:, :, top : top + hires.height // 8, left : left + hires.width // 8]


def _sizes(body: dict[str, Any]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Size before the crop, and after it. One of hr_resize_x and _y alone keeps the proportions."""
    width, height = body["width"], body["height"]
    to_x, to_y = body["hr_resize_x"] or 0, body["hr_resize_y"] or 0
    if not to_x and not to_y:
        grown = int(width * body["hr_scale"]), int(height * body["hr_scale"])
        return grown, grown
    by_width, by_height = (to_x, to_x * height // width), (to_y * width // height, to_y)
    if not to_y or not to_x:
        grown = by_height if not to_x else by_width
        return grown, grown
    return (by_width if width / height < to_x / to_y else by_height), (to_x, to_y)
