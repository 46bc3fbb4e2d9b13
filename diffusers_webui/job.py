"""One drawing request, settled: seeds rolled, sampler chosen, impossible values refused."""

import random
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from diffusers_webui import samplers
from diffusers_webui.errors import (
    BadStrength,
    EmptyBatch,
    HttpRefusal,
    ImpossibleDrawing,
    MissingPrompt,
    NoSteps,
)
from diffusers_webui.hires import Hires, parameters_of, settle_hires
from diffusers_webui.listings import ALWAYS_ON_SCRIPTS
from diffusers_webui.pictures import decode
from diffusers_webui.prompt import ExtraNetwork, split_extra_networks, strip_comments
from diffusers_webui.samplers import Sampler
from diffusers_webui.sigmas import Scheduler
from diffusers_webui.styles import Styles

_LAST_SEED = 4294967294
_SMALLEST_LATENT = 2


@dataclass
class Job:
    """What to draw. Field names follow the webui's."""

    kind: str  #: txt2img or img2img
    prompt: str  #: without comments, with its tags
    text: str  #: the prompt without tags: what conditions the drawing
    negative_prompt: str
    tags: dict[str, list[ExtraNetwork]]  #: `<lora:...>` and others, by kind
    width: int
    height: int
    steps: int
    cfg_scale: float
    batch_size: int
    n_iter: int
    seed: int
    subseed: int
    subseed_strength: float
    sampler: Sampler
    scheduler: Scheduler
    eta: float | None
    denoising_strength: float | None
    restore_faces: bool
    styles: list[str]
    init_images: list[Image.Image] = field(default_factory=list)
    mask: Image.Image | None = None
    hires: Hires | None = None
    body: dict[str, Any] = field(default_factory=dict)  #: the rest: fields that only one step reads
    extra_generation_params: dict[str, Any] = field(default_factory=dict)

    @property
    def seeds(self) -> list[int]:
        """A seed for every picture of every batch; equal ones when the variation seed counts instead."""
        count = self.batch_size * self.n_iter
        return [self.seed + (i if self.subseed_strength == 0 else 0) for i in range(count)]

    @property
    def seed_resize_from(self) -> tuple[int, int] | None:
        """Width and height of the picture whose noise is laid into the middle of this one's."""
        width, height = self.body["seed_resize_from_w"] or 0, self.body["seed_resize_from_h"] or 0
        return (width, height) if width > 0 and height > 0 else None

    @property
    def refiner(self) -> str | None:
        """Name of the checkpoint that takes over on the way."""
        name = self.body["refiner_checkpoint"]
        return None if name in (None, "", "None", "none") else str(name)

    @property
    def refiner_switch_at(self) -> float:
        """The share of the noise after which it does."""
        return float(self.body["refiner_switch_at"] or 0)

    @property
    def subseeds(self) -> list[int]:
        return [self.subseed + i for i in range(self.batch_size * self.n_iter)]


def settle(kind: str, body: dict[str, Any], styles: Styles) -> Job:
    """A Job from a checked body. Raises what the stock webui raises for values that cannot be drawn."""
    _check_scripts(body)
    pictures = _init_images(body) if kind == "img2img" else []
    if body["prompt"] is None:
        raise MissingPrompt
    _check_numbers(body)
    sampler, scheduler = samplers.choose(body["sampler_name"] or body["sampler_index"], body["scheduler"])
    names = body["styles"] or []
    prompt = strip_comments(styles.on_prompt(body["prompt"], names))
    negative = strip_comments(styles.on_negative_prompt(body["negative_prompt"] or "", names))
    text, tags = (prompt, {}) if body["disable_extra_networks"] else split_extra_networks(prompt)
    job = Job(
        kind=kind,
        prompt=prompt,
        text=text,
        negative_prompt=negative,
        tags=tags,
        width=body["width"],
        height=body["height"],
        steps=body["steps"],
        cfg_scale=body["cfg_scale"],
        batch_size=body["batch_size"],
        n_iter=body["n_iter"],
        seed=_rolled(body["seed"]),
        subseed=_rolled(body["subseed"]),
        subseed_strength=body["subseed_strength"] or 0,
        sampler=sampler,
        scheduler=scheduler,
        eta=body["eta"],
        denoising_strength=body["denoising_strength"],
        restore_faces=bool(body["restore_faces"]),
        styles=names,
        body=body,
    )
    if pictures:
        _take_pictures(job, pictures, body)
    if body.get("enable_hr"):
        _add_hires(job, styles)
    effective = sampler.scheduler(scheduler)
    if effective is not scheduler and sampler.own_levels is None:
        job.extra_generation_params["Schedule type"] = effective.label
    return job


def _check_scripts(body: dict[str, Any]) -> None:
    if body["script_name"]:
        if body["script_name"].lower() in ALWAYS_ON_SCRIPTS:
            raise HttpRefusal(
                422, f"Cannot have an always on script as a selectable script: {body['script_name']}"
            )
        raise HttpRefusal(422, f"Script '{body['script_name']}' not found")
    for name, value in (body["alwayson_scripts"] or {}).items():
        if name.lower() not in ALWAYS_ON_SCRIPTS:
            raise HttpRefusal(422, f"Script '{name}' not found")
        if "args" in value:  # a number here is a TypeError, in the stock webui too
            continue


def _check_numbers(body: dict[str, Any]) -> None:
    if body["batch_size"] < 1 or body["n_iter"] < 1:
        raise EmptyBatch
    if body["steps"] < 0:
        raise ImpossibleDrawing("number of steps must be non-negative")
    if body["steps"] == 0:
        raise NoSteps
    width, height = body["width"] // 8, body["height"] // 8
    if min(width, height) < 0:
        raise ImpossibleDrawing(
            f"Trying to create tensor with negative dimension {min(width, height)}: [4, {height}, {width}]"
        )
    if min(width, height) < _SMALLEST_LATENT:
        raise ImpossibleDrawing(
            f"Calculated padded input size per channel: ({height + 2} x {width + 2}). Kernel size: "
            "(3 x 3). Kernel size can't be greater than actual input size"
        )
    for seed in (body["seed"], body["subseed"]):
        if seed is not None and not -(2**63) <= seed < 2**63 - body["batch_size"] * body["n_iter"]:
            raise ImpossibleDrawing("Overflow when unpacking long")


def _add_hires(job: Job, styles: Styles) -> None:
    body = job.body
    own = body["hr_prompt"] and strip_comments(styles.on_prompt(body["hr_prompt"], job.styles))
    own_negative = body["hr_negative_prompt"] and strip_comments(
        styles.on_negative_prompt(body["hr_negative_prompt"], job.styles)
    )
    prompt, negative = own or job.prompt, own_negative or job.negative_prompt
    job.hires = settle_hires(body, prompt, negative, (job.sampler, job.scheduler))
    job.extra_generation_params |= parameters_of(
        body,
        prompt if prompt != job.prompt else None,
        negative if negative != job.negative_prompt else None,
    )


def _init_images(body: dict[str, Any]) -> list[Image.Image]:
    if body["init_images"] is None:
        raise HttpRefusal(404, "Init image not found")
    if not body["init_images"]:
        raise ImpossibleDrawing(
            "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [0]"
        )
    if not all(isinstance(text, str) for text in body["init_images"]):
        raise HttpRefusal(500, "Invalid encoded image")
    return [decode(text) for text in body["init_images"]]


def _take_pictures(job: Job, pictures: list[Image.Image], body: dict[str, Any]) -> None:
    if len(pictures) > 1:
        if len(pictures) > job.batch_size:
            raise ImpossibleDrawing(
                f"bad number of images passed: {len(pictures)}; expecting {job.batch_size} or less"
            )
        job.batch_size = len(pictures)
    job.init_images = pictures if len(pictures) > 1 else pictures * job.batch_size
    job.mask = decode(body["mask"]) if body["mask"] else None
    strength = job.denoising_strength if job.denoising_strength is not None else 0.75
    if not 0.0 <= strength <= 1.0:
        raise BadStrength
    job.denoising_strength = strength
    job.extra_generation_params["Denoising strength"] = strength


def _rolled(seed: int | None) -> int:
    return random.randrange(_LAST_SEED) if seed is None or seed == -1 else seed
