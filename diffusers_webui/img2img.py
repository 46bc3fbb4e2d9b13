"""Drawing over a picture, whole or inside a mask.

Sources: stable-diffusion-webui modules/processing.py (StableDiffusionProcessingImg2Img), modules/masking.py,
modules/images.py (resize_image).
"""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageFilter, ImageOps
from torch import Tensor

from diffusers_webui.job import Job
from diffusers_webui.model import Model
from diffusers_webui.options import Options

_LANCZOS = Image.Resampling.LANCZOS
Box = tuple[int, int, int, int]


@dataclass
class Kept:
    """The part of the latents that the mask does not open."""

    latents: Tensor
    mask: Tensor  #: 1 where there is something new to draw

    def restored(self, latents: Tensor) -> Tensor:
        return self.latents * (1 - self.mask) + latents * self.mask


@dataclass
class Start:
    """Where an img2img drawing begins, and how its pictures are put back."""

    latents: Tensor
    mask: Tensor | None = None  #: latent mask, 1 where there is something new to draw
    fill: int = 1  #: inpainting_fill: 2 is latent noise, 3 latent nothing
    box: Box | None = None  #: the part of the picture that was drawn (only masked)
    overlays: list[Image.Image] | None = None  #: the untouched parts, to lay over the result

    def latents_with(self, noise: Tensor) -> Tensor:
        """The first latents; what the mask opens is emptied where inpainting_fill says so."""
        if self.mask is None or self.fill not in (2, 3):
            return self.latents
        new = noise if self.fill == 2 else torch.zeros_like(noise)
        self.latents = self.latents * (1 - self.mask) + new * self.mask
        return self.latents

    def kept(self, noise: Tensor) -> Kept | None:
        return None if self.mask is None else Kept(self.latents, self.mask)

    def finish(self, picture: Image.Image, i: int) -> Image.Image:
        """The drawn part back in its place, with the untouched parts over it."""
        if self.overlays is None:
            return picture
        overlay = self.overlays[i]
        if self.box is not None:
            left, top, right, bottom = self.box
            whole = Image.new("RGBA", overlay.size)
            whole.paste(resized(1, picture, right - left, bottom - top), (left, top))
            picture = whole
        picture = picture.convert("RGBA")
        picture.alpha_composite(overlay)
        return picture.convert("RGB")


def shortened(sigmas: Tensor, strength: float) -> Tensor:
    """The noise levels from where the denoising strength lets the drawing begin."""
    steps = len(sigmas) - 1
    kept = int(min(strength, 0.999) * steps)
    return sigmas[steps - kept - 1 :]


def steps_for(steps: int, strength: float) -> int:
    """How many steps a whole drawing must have for its last ones, from `strength` on, to be `steps`.

    strength: above 0
    """
    return int(steps / min(strength, 0.999))


def prepare(job: Job, model: Model, options: Options) -> Start:
    """Encode the pictures of a job, and its mask."""
    flat = [_flattened(picture, str(options["img2img_background_color"])) for picture in job.init_images]
    mode = job.body["resize_mode"] or 0
    if job.mask is None:
        return Start(encode([resized(mode, picture, job.width, job.height) for picture in flat], model))
    mask = _read_mask(job, flat[0].size)
    overlay_mask, box = mask, None
    if job.body["inpaint_full_res"]:
        box = _box_to_draw(mask, job)
    if box is not None:
        flat_parts = [resized(2, picture.crop(box), job.width, job.height) for picture in flat]
        mask = resized(2, mask.crop(box), job.width, job.height)
        whole = flat
    else:
        flat_parts = whole = [resized(mode, picture, job.width, job.height) for picture in flat]
        mask = resized(mode, mask, job.width, job.height)
        overlay_mask = Image.fromarray((np.asarray(mask, dtype=np.float32) * 2).clip(0, 255).astype(np.uint8))
    if job.body["inpainting_fill"] != 1:
        flat_parts = [_filled(picture, mask) for picture in flat_parts]
    return Start(
        encode(flat_parts, model),
        _latent_mask(mask, job, model),
        job.body["inpainting_fill"],
        box,
        [_overlay(picture, overlay_mask) for picture in whole],
    )


def resized(mode: int, picture: Image.Image, width: int, height: int) -> Image.Image:
    """mode: 0 stretch, 1 crop to fit, 2 fit and fill the edges with the picture stretched behind."""
    if mode not in (1, 2):
        return picture.resize((width, height), _LANCZOS)
    if mode == 1:
        return ImageOps.fit(picture, (width, height), _LANCZOS)
    behind = picture.resize((width, height), _LANCZOS)
    inside = ImageOps.contain(picture, (width, height), _LANCZOS)
    behind.paste(inside, ((width - inside.width) // 2, (height - inside.height) // 2))
    return behind


def _flattened(picture: Image.Image, background: str) -> Image.Image:
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        below = Image.new("RGBA", picture.size, background)
        below.alpha_composite(picture)
        picture = below
    return picture.convert("RGB")


def encode(pictures: list[Image.Image], model: Model) -> Tensor:
    """Latents of pictures of one size."""
    latents = []
    for picture in pictures:
        even = picture.resize((picture.width // 8 * 8, picture.height // 8 * 8), _LANCZOS)
        values = torch.from_numpy(np.asarray(even, dtype=np.float32).copy()) / 127.5 - 1
        pixels = (
            values.permute(2, 0, 1)[None]
            .to(model.device, model.vae.dtype)
            .contiguous(memory_format=torch.channels_last)
        )
        # the mean, not a sample: the same picture and seed must give the same drawing
        latents.append(model.vae.encode(pixels).latent_dist.mean.float() * model.scale_factor)
    return torch.cat(latents)


def _read_mask(job: Job, size: tuple[int, int]) -> Image.Image:
    assert job.mask is not None
    body = job.body
    mask = job.mask.split()[-1] if job.mask.mode in ("RGBA", "LA") else job.mask.convert("L")
    mask = mask.resize(size, _LANCZOS) if mask.size != size else mask
    if body["inpainting_mask_invert"]:
        mask = ImageOps.invert(mask)
        job.extra_generation_params["Mask mode"] = "Inpaint not masked"
    blur_x, blur_y = (body["mask_blur_x"] or 0, body["mask_blur_y"] or 0)
    if body["mask_blur"] is not None:
        blur_x = blur_y = body["mask_blur"]
    if blur_x > 0 or blur_y > 0:
        mask = mask.filter(ImageFilter.GaussianBlur((blur_x, blur_y)))
        job.extra_generation_params["Mask blur"] = blur_x
    return mask


def _box_to_draw(mask: Image.Image, job: Job) -> Box | None:
    """The masked area with its padding, widened to the shape that is drawn. None for an empty mask."""
    found = mask.getbbox()
    if found is None:
        return None
    padding = job.body["inpaint_full_res_padding"] or 0
    job.extra_generation_params["Inpaint area"] = "Only masked"
    job.extra_generation_params["Masked area padding"] = padding
    left, right = max(found[0] - padding, 0), min(found[2] + padding, mask.width)
    top, bottom = max(found[1] - padding, 0), min(found[3] + padding, mask.height)
    ratio = job.width / job.height
    if (right - left) / (bottom - top) < ratio:
        left, right = _widened(left, right, round((bottom - top) * ratio), mask.width)
    else:
        top, bottom = _widened(top, bottom, round((right - left) / ratio), mask.height)
    return left, top, right, bottom


def _widened(low: int, high: int, length: int, limit: int) -> tuple[int, int]:
    length = min(max(length, high - low), limit)
    low = min(max(low - (length - (high - low)) // 2, 0), limit - length)
    return low, low + length


def _latent_mask(mask: Image.Image, job: Job, model: Model) -> Tensor:
    small = mask.convert("RGB").resize((job.width // 8, job.height // 8))
    values = torch.from_numpy(np.asarray(small, dtype=np.float32)[:, :, 0].copy()) / 255
    return (values.round() if job.body["mask_round"] else values)[None, None].to(model.device)


def _overlay(picture: Image.Image, mask: Image.Image) -> Image.Image:
    untouched = Image.new("RGBa", picture.size)
    untouched.paste(picture.convert("RGBA").convert("RGBa"), mask=ImageOps.invert(mask.convert("L")))
    return untouched.convert("RGBA")


def _filled(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """The masked area filled with the colours around it."""
    result = Image.new("RGBA", picture.size)
    around = Image.new("RGBa", picture.size)
    around.paste(picture.convert("RGBA").convert("RGBa"), mask=ImageOps.invert(mask.convert("L")))
    for radius, repeats in ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1)):
        blurred = around.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        for _ in range(repeats):
            result.alpha_composite(blurred)
    return result.convert("RGB")
