"""Upscaling finished pictures: None, Lanczos and Nearest. No upscaler with weights is built in.

One that the stock webui would first have to download is a plain resize that bears its name, as it is there
when the download fails.

Source: stable-diffusion-webui scripts/postprocessing_upscale.py, modules/upscaler.py.
"""

from typing import Any

from PIL import Image, ImageOps

from diffusers_webui import memory, pictures
from diffusers_webui.errors import UnknownUpscaler
from diffusers_webui.listings import WEIGHTLESS_UPSCALERS

_FILTERS = {
    "None": None,
    "Lanczos": Image.Resampling.LANCZOS,
    "Nearest": Image.Resampling.NEAREST,
    **dict.fromkeys(WEIGHTLESS_UPSCALERS, Image.Resampling.LANCZOS),
}


def upscale_one(body: dict[str, Any], options: Any) -> dict[str, Any]:
    """The answer of POST /extra-single-image."""
    picture, html = _upscaled(pictures.decode(body["image"]), body)
    return {
        "html_info": html,
        "image": pictures.encode(picture, options, pictures.read_infotext(picture)[0] or None),
    }


def upscale_batch(body: dict[str, Any], options: Any) -> dict[str, Any]:
    """The answer of POST /extra-batch-images."""
    done = [_upscaled(pictures.decode(item["data"]), body) for item in body["imageList"]]
    images = [
        pictures.encode(picture, options, pictures.read_infotext(picture)[0] or None) for picture, _ in done
    ]
    return {"html_info": done[-1][1] if done else "", "images": images}


def _upscaled(picture: Image.Image, body: dict[str, Any]) -> tuple[Image.Image, str]:
    infotext = picture.info
    names = [body["upscaler_1"], body["upscaler_2"]]
    for name in names:
        if name not in _FILTERS:
            raise UnknownUpscaler(name)
    facts: dict[str, Any] = {}
    result = picture.convert("RGB")
    if names[0] != "None":
        size = _wanted_size(picture, body, facts)
        memory.refuse_unless_it_fits(size[0] * size[1] * 12, memory.free_bytes())
        result = _resized(picture.convert("RGB"), names[0], size, body)
        facts["Postprocess upscaler"] = names[0]
        share = body["extras_upscaler_2_visibility"]
        if names[1] != "None" and share > 0:
            result = Image.blend(result, _resized(picture.convert("RGB"), names[1], size, body), share)
            facts |= {"Postprocess upscaler 2": names[1], "Postprocess upscaler 2 visibility": share}
    result.info.update(infotext)
    return result, f"<p>{', '.join(f'{key}: {value}' for key, value in facts.items())}</p>"


def _wanted_size(picture: Image.Image, body: dict[str, Any], facts: dict[str, Any]) -> tuple[int, int]:
    if body["resize_mode"] == 1:
        size: tuple[int, int] = (body["upscaling_resize_w"], body["upscaling_resize_h"])
        facts["Postprocess upscale to"] = f"{size[0]}x{size[1]}"
        if body["upscaling_crop"]:
            facts["Postprocess crop to"] = f"{size[0]}x{size[1]}"
        return size
    factor = body["upscaling_resize"]
    facts["Postprocess upscale by"] = factor
    return max(int(picture.width * factor), 1), max(int(picture.height * factor), 1)


def _resized(picture: Image.Image, name: str, size: tuple[int, int], body: dict[str, Any]) -> Image.Image:
    method = _FILTERS[name]
    if method is None:
        return picture.resize(size, Image.Resampling.LANCZOS)
    if body["resize_mode"] == 0:
        return picture.resize(size, method)
    if body["upscaling_crop"]:
        return ImageOps.fit(picture, size, method)
    scale = max(size[0] / picture.width, size[1] / picture.height)
    return picture.resize((round(picture.width * scale), round(picture.height * scale)), method)
