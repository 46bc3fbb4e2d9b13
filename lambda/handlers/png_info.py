"""POST /sdapi/v1/png-info: the generation parameters kept in a picture, as the stock webui reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.event_handler import Response

from handlers import http
from handlers.http import Call
from handlers.wiring import Wiring
from webui_async.contract.errors import ForbiddenField, InvalidPayload
from webui_async.contract.images import decode_base64
from webui_async.contract.parameters import generation_parameters

_PAIR = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_SIZE = re.compile(r"(\d+)x(\d+)")
_NEGATIVE = "Negative prompt:"
#: A last line with fewer pairs belongs to the prompt.
_MIN_PAIRS = 3
#: What the webui fills in where a text is silent.
_DEFAULTS: Mapping[str, Any] = {
    "Clip skip": "1", "Hires resize-1": 0, "Hires resize-2": 0, "Hires sampler": "Use same sampler",
    "Hires schedule type": "Use same scheduler", "Hires checkpoint": "Use same checkpoint",
    "Hires prompt": "", "Hires negative prompt": "", "Mask mode": "Inpaint masked",
    "Masked content": "original", "Inpaint area": "Whole picture", "Masked area padding": 32,
    "RNG": "GPU", "Schedule type": "Automatic",
    "Schedule max sigma": 0, "Schedule min sigma": 0, "Schedule rho": 0, "VAE Encoder": "Full",
    "VAE Decoder": "Full", "FP8 weight": "Disable", "Refiner switch by sampling steps": False,
}  # fmt: skip


def post_png_info(world: Wiring, call: Call) -> Response[str]:
    """The stock answer: {info, items, parameters}."""
    call.owner(world)
    body = call.document()
    if foreign := set(body) - {"image"}:
        raise ForbiddenField(min(foreign)[:80], "png-info has no such field")
    image = body.get("image")
    try:
        info = generation_parameters(decode_base64(image if isinstance(image, str) else "?"))
    except ValueError as error:
        raise InvalidPayload(
            "image", image, f"it must be a base64 PNG, JPEG or WebP picture, and is {error}"
        ) from error
    return http.answer(200, {"info": info, "items": {}, "parameters": read_infotext(info)})


def read_infotext(text: str) -> dict[str, Any]:
    """The parameters in an infotext. Source: the webui's infotext_utils.py, parse_generation_parameters."""
    *lines, last = text.strip().split("\n")
    pairs = _PAIR.findall(last)
    if len(pairs) < _MIN_PAIRS:
        lines, pairs = [*lines, last], []
    prompt, negative_prompt = _split_prompts(lines)
    parameters: dict[str, Any] = {"Prompt": prompt, "Negative prompt": negative_prompt}
    for name, value in pairs:
        value = _unquote(value)
        if size := _SIZE.fullmatch(value):
            parameters |= {f"{name}-1": size[1], f"{name}-2": size[2]}
        else:
            parameters[name] = value
    return {**_DEFAULTS, **parameters}


def _split_prompts(lines: list[str]) -> tuple[str, str]:
    """Prompt and negative prompt; the second starts at the first line that says so."""
    stripped = [line.strip() for line in lines]
    start = next((i for i, line in enumerate(stripped) if line.startswith(_NEGATIVE)), len(stripped))
    negative = [line.removeprefix(_NEGATIVE).strip() for line in stripped[start:]]
    return "\n".join(stripped[:start]), "\n".join(negative)


def _unquote(value: str) -> str:
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value
