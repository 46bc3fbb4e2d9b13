"""What one loaded model does for a drawing: read prompts, carry LoRA, turn latents into pictures."""

import logging
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from diffusers_webui import memory
from diffusers_webui.conditioning import Conditioner
from diffusers_webui.embeddings import Embedding
from diffusers_webui.guide import Guide
from diffusers_webui.loras import Wish
from diffusers_webui.model import Model
from diffusers_webui.options import Options
from diffusers_webui.patching import Patcher
from diffusers_webui.schedule import Clock
from diffusers_webui.sigmas import NoiseTable
from diffusers_webui.state import State
from diffusers_webui.text import Text
from diffusers_webui.voice import Voice, give_voice

log = logging.getLogger(__name__)

#: latents to colours, roughly. Source: modules/sd_vae_approx.py, cheap_approximation
_PREVIEW = np.array(
    [[0.298, 0.207, 0.208], [0.187, 0.286, 0.173], [-0.158, 0.189, 0.264], [-0.184, -0.271, -0.473]],
    dtype=np.float32,
)
_PREVIEW_XL = np.array(
    [[0.345, 0.417, 0.440], [-0.195, -0.029, 0.025], [0.107, 0.089, -0.016], [-0.373, -0.250, -0.209]],
    dtype=np.float32,
)


class Painter:
    """Draws with one loaded model."""

    def __init__(self, model: Model, options: Options):
        self.model = model
        self._options = options
        self.table = NoiseTable(model.alphas_cumprod)
        self._conditioner = Conditioner(model)
        self._patcher = Patcher(model)

    @torch.inference_mode()
    def carry(self, wishes: list[Wish]) -> list[Wish]:
        """Make the model carry these LoRA; gives those whose files could be read."""
        return self._patcher.carry(wishes)

    @property
    def text_widths(self) -> list[int]:
        """Of the vectors that its text encoders read."""
        return [one.network.get_input_embeddings().weight.shape[1] for one in self.model.texts]

    def learn(self, embeddings: list[Embedding]) -> None:
        """Know these embeddings by their names."""
        self._conditioner.learn(embeddings)

    @property
    def used_embeddings(self) -> list[Embedding]:
        """Those that prompts have named since `learn`."""
        return list(self._conditioner.used.values())

    @torch.inference_mode()
    def voice(self, prompt: str, negative_prompt: str | None, clock: Clock) -> Voice:
        """Both prompts as this model hears them; None leaves the negative one out."""
        skip, backtrack = self._options["CLIP_stop_at_last_layers"], self._options["comma_padding_backtrack"]
        key = self._patcher.text_key

        def embed(text: str) -> Text:
            return self._conditioner.embed(text, skip, backtrack, key)

        return give_voice(self.model, embed, prompt, negative_prompt, clock)

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Ask the UNet once, for the size it is most asked for: a compiled one takes its minute here."""
        side = self.model.unet.config.sample_size
        x = torch.randn((1, 4, side, side)).to(self.model.device)
        guide = Guide(self.voice("", "", Clock(1)), self.table, 2.0, State())
        guide(x, self.table.sigmas[-1])

    def check_memory(self, width: int, height: int, batch_size: int, parts: int) -> None:
        """Raise OutOfMemory when a batch of this size would not fit. parts: of the prompt, split at AND."""
        unet, vae = self.model.unet.config.block_out_channels, self.model.vae.config.block_out_channels
        needed = memory.drawing_bytes(width, height, batch_size, parts + 1, unet[0], max(vae[:2]))
        on_cuda = self.model.device.type == "cuda"
        memory.refuse_unless_it_fits(needed, torch.cuda.mem_get_info()[0] if on_cuda else memory.free_bytes())

    def pictures(self, latents: Tensor) -> list[Image.Image]:
        """One picture for each of the latents."""
        return [self._picture(one[None]) for one in latents]  # one by one, or large pictures would not fit

    def _picture(self, latents: Tensor) -> Image.Image:
        pixels = self._decoded(latents)
        if self._options["auto_vae_precision"] and bool(torch.isnan(pixels).any()):
            log.warning("A tensor with all NaNs was produced in VAE: it goes on in float32.")
            torch.nn.Module.to(self.model.vae, dtype=torch.float32)
            pixels = self._decoded(latents)
        values = ((pixels[0].float() + 1) / 2).clamp(0, 1).permute(1, 2, 0).cpu().numpy()
        return Image.fromarray((255.0 * values).astype(np.uint8))

    def _decoded(self, latents: Tensor) -> Tensor:
        scaled = (latents / self.model.scale_factor).to(self.model.vae.dtype)
        pixels: Tensor = self.model.vae.decode(scaled, return_dict=False)[0]
        return pixels


def preview_of(latents: Any, is_xl: bool) -> Image.Image:
    """A small picture of unfinished latents, the first of the batch, a quarter of the final size."""
    colours = np.einsum("lyx,lr->yxr", latents[0], _PREVIEW_XL if is_xl else _PREVIEW) * 0.5 + 0.5
    small = Image.fromarray((255 * np.nan_to_num(colours).clip(0, 1)).astype(np.uint8))
    return small.resize((small.width * 2, small.height * 2), Image.Resampling.BILINEAR)
