"""One request drawn: batch by batch, each in one pass, or in two with hires fix.

Our own loop rather than a diffusers pipeline: progress, interrupt, preview and guidance are in our hands, and
there is little between two UNet calls.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from PIL import Image
from torch import Tensor

from diffusers_webui import hires, img2img
from diffusers_webui.errors import NotANumber, Stopped
from diffusers_webui.guide import Guide, Relief
from diffusers_webui.hires import Hires
from diffusers_webui.job import Job
from diffusers_webui.loras import Wish
from diffusers_webui.noise import Noise
from diffusers_webui.options import Options
from diffusers_webui.painter import Painter, preview_of
from diffusers_webui.prompt import split_composition
from diffusers_webui.schedule import Clock
from diffusers_webui.state import Preview, State
from diffusers_webui.tiling import tiled
from diffusers_webui.tuning import tune
from diffusers_webui.walks import Road


@dataclass(frozen=True)
class Turn:
    """Who draws a pass, and with which LoRA."""

    painter: Painter
    wishes: list[Wish] = field(default_factory=list)
    refiner: Painter | None = None  #: takes over on the way

    @property
    def painters(self) -> list[Painter]:
        return [self.painter, self.refiner] if self.refiner else [self.painter]


class Drawing:
    """The pictures of one job."""

    def __init__(self, job: Job, first: Turn, second: Turn, options: Options, state: State):
        """second: for the second pass; not looked at without hires fix."""
        self._job, self._first, self._second = job, first, second
        self._options, self._state = options, state
        self.tuning = tune(job, options)

    @torch.inference_mode()
    def pictures(self) -> Iterator[list[Image.Image]]:
        """The pictures, batch by batch. An interrupted batch is given as far as it came.

        Raises OutOfMemory before anything is drawn, NotANumber when the model breaks down.
        """
        job, model = self._job, self._first.painter.model
        self._check_memory()
        self._state.job_count = job.n_iter * (2 if job.hires else 1)
        models = [one.model for turn in (self._first, self._second) for one in turn.painters]
        with tiled(*models) if self.tuning.is_tiled else nullcontext():
            start = img2img.prepare(job, model, self._options) if job.init_images else None
            for n in range(job.n_iter):
                self._state.skipped = False
                if self._state.interrupted:
                    return
                pictures = self._batch(n, start)
                yield [start.finish(picture, i) for i, picture in enumerate(pictures)] if start else pictures
                self._state.next_batch()

    def _check_memory(self) -> None:
        job = self._job
        self._first.painter.check_memory(
            job.width, job.height, job.batch_size, len(split_composition(job.text))
        )
        if job.hires is not None:
            grown = job.hires.grown_width, job.hires.grown_height
            self._second.painter.check_memory(*grown, job.batch_size, len(split_composition(job.hires.text)))

    def _batch(self, n: int, start: "img2img.Start | None") -> list[Image.Image]:
        latents, painter = self._first_pass(n, start), self._first.painter
        if self._job.hires is not None and not (self._state.interrupted or self._state.skipped):
            self._state.next_batch()
            latents, painter = self._second_pass(n, self._job.hires, latents), self._second.painter
        if bool(torch.isnan(latents).all()):
            raise NotANumber
        return painter.pictures(latents)

    def _first_pass(self, n: int, start: "img2img.Start | None") -> Tensor:
        job = self._job
        noise = self._noise(job, n)
        first, sigmas = noise.first(), job.sampler.levels(job.scheduler, job.steps, self._first.painter.table)
        clock = Clock(job.sampler.calls(job.steps))
        if start is None:
            return self._walk(
                self._first, job, clock, noise, sigmas, job.sampler.first_latents(first, sigmas[0])
            )
        sigmas = img2img.shortened(sigmas, job.denoising_strength or 0.0)
        x = start.latents_with(first) + first * sigmas[0] * self.tuning.noise_multiplier
        return self._walk(self._first, job, clock, noise, sigmas, x, start.kept(first))

    def _second_pass(self, n: int, leg: Hires, latents: Tensor) -> Tensor:
        latents = self._grown(leg, latents)
        if leg.denoising_strength <= 0:
            return latents
        noise = self._noise(leg, n)
        steps = img2img.steps_for(leg.steps, leg.denoising_strength)
        sigmas = leg.sampler.levels(leg.scheduler, steps, self._second.painter.table)[-leg.steps - 1 :]
        clock = Clock(leg.sampler.calls(leg.steps), before=self._job.sampler.calls(self._job.steps))
        return self._walk(self._second, leg, clock, noise, sigmas, latents + noise.first() * sigmas[0])

    def _grown(self, leg: Hires, latents: Tensor) -> Tensor:
        if leg.is_latent:
            return hires.cropped(hires.grown_latents(latents, leg), leg)
        small = self._first.painter.pictures(latents)
        large = [hires.grown_picture(picture, leg) for picture in small]
        return hires.cropped(img2img.encode(large, self._second.painter.model), leg)

    def _noise(self, leg: Job | Hires, n: int) -> Noise:
        size = self._job.batch_size
        part = slice(n * size, (n + 1) * size)
        return Noise(self._job, leg, part, self._first.painter.model.device, self.tuning.seed_delta)

    def _walk(
        self,
        turn: Turn,
        leg: Job | Hires,
        clock: Clock,
        noise: Noise,
        sigmas: Tensor,
        x: Tensor,
        keep: "img2img.Kept | None" = None,
    ) -> Tensor:
        guide = self._guide(turn, leg, clock)
        guide.keep = keep
        self._state.sampling_steps, self._state.sampling_step = len(sigmas) - 1, 0
        eta, churn = self.tuning.eta(leg.sampler), self.tuning.churn
        road = Road(guide, noise.next, self._on_step, sigmas, eta, guide.table, churn)
        try:
            latents = leg.sampler.walk(x, road)
        except Stopped:
            latents = guide.last if guide.last is not None else x
        return keep.restored(latents) if keep is not None else latents

    def _guide(self, turn: Turn, leg: Job | Hires, clock: Clock) -> Guide:
        job = self._job
        negative = leg.negative_prompt if job.cfg_scale > 1 else None
        turn.painter.carry(turn.wishes)
        voice = turn.painter.voice(leg.text, negative, clock)
        relief = None
        if turn.refiner is not None:
            turn.refiner.carry(turn.wishes)
            relief = Relief(turn.refiner.voice(leg.text, negative, clock), job.refiner_switch_at)
        return Guide(voice, turn.painter.table, job.cfg_scale, self._state, relief, self.tuning.quiet_below)

    def _on_step(self, i: int, denoised: Tensor) -> None:
        self._state.sampling_step = i
        every = int(self._options["show_progress_every_n_steps"])
        if not self._options["live_previews_enable"] or every <= 0 or i - self._state.preview_step < every:
            return
        self._state.preview_step = i
        # numpy: the picture is made on the thread that asks, and torch's threads belong to the drawing
        latents, is_xl = denoised.float().cpu().numpy(), self._first.painter.model.is_xl
        self._state.preview = Preview(lambda: preview_of(latents, is_xl))
