"""The drawing itself: text, noise, denoising with guidance, and latents to pictures.

Our own loop rather than a diffusers pipeline: progress, interrupt, preview and guidance are in our hands, and
there is little between two UNet calls.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from diffusers_webui import img2img, memory
from diffusers_webui.conditioning import Conditioner
from diffusers_webui.errors import NotANumber, Stopped
from diffusers_webui.job import Job
from diffusers_webui.loras import Wish
from diffusers_webui.model import Model
from diffusers_webui.noise import Noise
from diffusers_webui.options import Options
from diffusers_webui.patching import Patcher
from diffusers_webui.samplers import Road
from diffusers_webui.sigmas import NoiseTable
from diffusers_webui.state import Preview, State

log = logging.getLogger(__name__)

#: latents to colours, roughly. Source: modules/sd_vae_approx.py, cheap_approximation
_PREVIEW = np.array(
    [[0.298, 0.207, 0.208], [0.187, 0.286, 0.173], [-0.158, 0.189, 0.264], [-0.184, -0.271, -0.473]],
    dtype=np.float32,
)


@dataclass
class Guide:
    """Asks the UNet what the clean latents are, and pulls the answer towards the prompt."""

    model: Model
    table: NoiseTable
    cond: Tensor
    uncond: Tensor | None  #: None: cfg_scale is 1 and the negative prompt has no say
    cfg_scale: float
    state: State
    keep: "img2img.Kept | None" = None
    last: Tensor | None = None  #: the newest answer: what an interrupted drawing shows

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        if self.state.interrupted or self.state.skipped:
            raise Stopped
        scaled = x / (sigma**2 + 1).sqrt()
        denoised = x - sigma * self._noise_in(scaled, self.table.timestep(sigma))
        if self.keep is not None:
            denoised = self.keep.restored(denoised)
        self.last = denoised
        return denoised

    def _noise_in(self, scaled: Tensor, timestep: Tensor) -> Tensor:
        if self.uncond is None:
            return self._unet(scaled, timestep, self.cond)
        if self.cond.shape == self.uncond.shape:
            both = self._unet(torch.cat([scaled, scaled]), timestep, torch.cat([self.cond, self.uncond]))
            cond, uncond = both.chunk(2)
        else:  # prompts of different length: padding one would change the picture
            cond = self._unet(scaled, timestep, self.cond)
            uncond = self._unet(scaled, timestep, self.uncond)
        return uncond + self.cfg_scale * (cond - uncond)

    def _unet(self, scaled: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
        scaled = scaled.to(self.model.dtype).contiguous(memory_format=torch.channels_last)
        noise: Tensor = self.model.unet(scaled, timestep, encoder_hidden_states=text, return_dict=False)[0]
        return noise.float()


class Painter:
    """Draws with one loaded model."""

    def __init__(self, model: Model, options: Options, state: State):
        self.model = model
        self._options = options
        self._state = state
        self._table = NoiseTable(model.alphas_cumprod)
        self._conditioner = Conditioner(model)
        self._patcher = Patcher(model)

    @torch.inference_mode()
    def carry(self, wishes: list[Wish]) -> list[Wish]:
        """Make the model carry these LoRA; gives those whose files could be read."""
        return self._patcher.carry(wishes)

    @torch.inference_mode()
    def draw(self, job: Job) -> Iterator[list[Image.Image]]:
        """The pictures, batch by batch. An interrupted batch is given as far as it came.

        Raises OutOfMemory before anything is drawn, NotANumber when the model breaks down.
        """
        self._check_memory(job)
        cond, uncond = self._texts(job)
        start = img2img.prepare(job, self.model, self._options) if job.init_images else None
        self._state.job_count = job.n_iter
        for n in range(job.n_iter):
            self._state.skipped = False
            if self._state.interrupted:
                return
            latents = self._draw_latents(job, n, cond, uncond, start)
            if bool(torch.isnan(latents).all()):
                raise NotANumber
            pictures = self._decode(latents)
            yield [start.finish(picture, i) for i, picture in enumerate(pictures)] if start else pictures
            self._state.next_batch()

    def _check_memory(self, job: Job) -> None:
        unet, vae = self.model.unet.config.block_out_channels, self.model.vae.config.block_out_channels
        needed = memory.drawing_bytes(job.width, job.height, job.batch_size, unet[0], max(vae[:2]))
        on_cuda = self.model.device.type == "cuda"
        memory.refuse_unless_it_fits(needed, torch.cuda.mem_get_info()[0] if on_cuda else memory.free_bytes())

    def _texts(self, job: Job) -> tuple[Tensor, Tensor | None]:
        skip, backtrack = self._options["CLIP_stop_at_last_layers"], self._options["comma_padding_backtrack"]
        key = self._patcher.text_key
        cond = self._conditioner.embed(job.text, skip, backtrack, key)
        if job.cfg_scale == 1:
            return cond, None
        return cond, self._conditioner.embed(job.negative_prompt, skip, backtrack, key)

    def _draw_latents(
        self, job: Job, n: int, cond: Tensor, uncond: Tensor | None, start: "img2img.Start | None"
    ) -> Tensor:
        part = slice(n * job.batch_size, (n + 1) * job.batch_size)
        noise = Noise(job, part, self.model.device, int(self._options["eta_noise_seed_delta"] or 0))
        sigmas = job.sampler.levels(job.scheduler, job.steps, self._table)
        first = noise.first()
        guide = Guide(
            self.model,
            self._table,
            cond.expand(job.batch_size, -1, -1),
            None if uncond is None else uncond.expand(job.batch_size, -1, -1),
            job.cfg_scale,
            self._state,
        )
        if start is not None:
            sigmas = img2img.shortened(sigmas, job)
            x = start.latents_with(first) + first * sigmas[0]
            guide.keep = start.kept(first)
        else:
            x = first * ((1 + sigmas[0] ** 2).sqrt() if job.sampler.unit_start else sigmas[0])
        eta = job.eta if job.eta is not None else float(self._options[job.sampler.eta_option])
        self._state.sampling_steps, self._state.sampling_step = len(sigmas) - 1, 0
        road = Road(guide, noise.next, self._on_step, sigmas.to(self.model.device), eta, self._table)
        try:
            latents = job.sampler.walk(x, road)
        except Stopped:
            latents = guide.last if guide.last is not None else x
        return guide.keep.restored(latents) if guide.keep is not None else latents

    def _on_step(self, i: int, denoised: Tensor) -> None:
        self._state.sampling_step = i
        every = int(self._options["show_progress_every_n_steps"])
        if not self._options["live_previews_enable"] or every <= 0 or i - self._state.preview_step < every:
            return
        self._state.preview_step = i
        # numpy: the picture is made on the thread that asks, and torch's threads belong to the drawing
        latents = denoised.float().cpu().numpy()
        self._state.preview = Preview(lambda: preview_of(latents))

    def _decode(self, latents: Tensor) -> list[Image.Image]:
        return [self._decode_one(one[None]) for one in latents]  # one by one, or large pictures would not fit

    def _decode_one(self, latents: Tensor) -> Image.Image:
        scaled = (latents / self.model.scale_factor).to(self.model.dtype)
        pixels: Any = self.model.vae.decode(scaled, return_dict=False)[0]
        values = ((pixels[0].float() + 1) / 2).clamp(0, 1).permute(1, 2, 0).cpu().numpy()
        return Image.fromarray((255.0 * values).astype(np.uint8))


def preview_of(latents: Any) -> Image.Image:
    """A small picture of unfinished latents, the first of the batch, a quarter of the final size."""
    colours = np.einsum("lyx,lr->yxr", latents[0], _PREVIEW) * 0.5 + 0.5
    small = Image.fromarray((255 * np.nan_to_num(colours).clip(0, 1)).astype(np.uint8))
    return small.resize((small.width * 2, small.height * 2), Image.Resampling.BILINEAR)
