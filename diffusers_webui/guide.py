"""Asks the UNet what the clean latents are, and pulls the answers towards the prompt."""

from dataclasses import dataclass

import torch
from torch import Tensor

from diffusers_webui import img2img
from diffusers_webui.errors import Stopped
from diffusers_webui.sigmas import NoiseTable
from diffusers_webui.state import State
from diffusers_webui.text import Text
from diffusers_webui.voice import Voice


@dataclass(frozen=True)
class Relief:
    """The voice that takes over on the way: the webui's refiner."""

    voice: Voice
    switch_at: float  #: share of the training timesteps that is walked by then


@dataclass
class Guide:
    """The model as samplers see it: noisy latents in, a guess of the clean ones out."""

    voice: Voice
    table: NoiseTable
    cfg_scale: float
    state: State
    relief: Relief | None = None
    quiet_below: float = (
        0.0  #: s_min_uncond: below this noise every other call leaves the negative prompt out
    )
    keep: "img2img.Kept | None" = None
    calls: int = 0
    last: Tensor | None = None  #: the newest answer: what an interrupted drawing shows

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        if self.state.interrupted or self.state.skipped:
            raise Stopped
        timestep = self.table.timestep(sigma)
        self._relieve(timestep)
        scaled = x / (sigma**2 + 1).sqrt()
        is_quiet = self.calls % 2 == 1 and float(sigma) < self.quiet_below
        noise = self._noise_in(scaled, timestep.to(x.device), is_quiet)
        if self.voice.model.is_v_prediction:
            noise = (noise + sigma * scaled) / (sigma**2 + 1).sqrt()
        denoised = x - sigma * noise
        if self.keep is not None:
            denoised = self.keep.restored(denoised)
        self.calls += 1
        self.last = denoised
        return denoised

    def _relieve(self, timestep: Tensor) -> None:
        count = len(self.table.sigmas)
        if self.relief is not None and (count - 1 - float(timestep)) / count >= self.relief.switch_at:
            self.voice, self.relief = self.relief.voice, None

    def _noise_in(self, scaled: Tensor, timestep: Tensor, is_quiet: bool) -> Tensor:
        negative = None if is_quiet else self.voice.negative
        weights = [weight for _, weight in self.voice.parts]
        texts = [part.at(self.calls) for part, _ in self.voice.parts]
        if negative is None:
            answers, plain = self._ask(texts, scaled, timestep), torch.zeros_like(scaled)
            # nothing to be pulled away from: the parts share the say
            shares = [weight / (sum(weights) or 1.0) for weight in weights]
        else:
            *answers, plain = self._ask([*texts, negative.at(self.calls)], scaled, timestep)
            shares = [weight * self.cfg_scale for weight in weights]
        noise = plain
        for answer, share in zip(answers, shares, strict=True):
            noise = noise + share * (answer - plain)
        return noise

    def _ask(self, texts: list[Text], scaled: Tensor, timestep: Tensor) -> list[Tensor]:
        """An answer to each text; in one go where all are equally long: padding would change the picture."""
        if len({text.length for text in texts}) > 1:
            return [answer for text in texts for answer in self._ask([text], scaled, timestep)]
        first, *others = [text.repeated(len(scaled)) for text in texts]
        for other in others:
            first = first.followed_by(other)
        return list(self._unet(torch.cat([scaled] * len(texts)), timestep, first).chunk(len(texts)))

    def _unet(self, scaled: Tensor, timestep: Tensor, text: Text) -> Tensor:
        model = self.voice.model
        scaled = scaled.to(model.dtype).contiguous(memory_format=torch.channels_last)
        inputs = text.unet_inputs(8 * scaled.shape[2], 8 * scaled.shape[3])
        noise: Tensor = model.unet(scaled, timestep, return_dict=False, **inputs)[0]
        return noise.to(torch.float32, copy=True)  # a compiled UNet's next answer lands in the same memory
