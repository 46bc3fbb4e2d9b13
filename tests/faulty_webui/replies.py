"""What the stand-in answers a drawing with: one-coloured pictures and the webui's words about them."""

from __future__ import annotations

import base64
import json
import random
import struct
import zlib
from typing import Any

SAMPLERS = ("DPM++ 2M", "DPM++ SDE", "Euler a", "Euler", "Heun", "DDIM", "UniPC", "LCM")
SCHEDULERS = {
    "automatic": "Automatic",
    "uniform": "Uniform",
    "karras": "Karras",
    "exponential": "Exponential",
}


def draw_pictures(body: dict[str, Any], told: dict[str, Any], was_interrupted: bool) -> dict[str, Any]:
    """The webui's answer of txt2img and img2img. told: what the info says of the engine's state."""
    seed = int(body.get("seed", -1))
    seed = random.randrange(2**32) if seed == -1 else seed
    count = int(body.get("batch_size", 1)) * int(body.get("n_iter", 1))
    width, height = int(body.get("width", 512)), int(body.get("height", 512))
    info = {
        "prompt": body.get("prompt", ""),
        "negative_prompt": body.get("negative_prompt", ""),
        "seed": seed,
        "all_seeds": [seed + i for i in range(count)],
        "width": width,
        "height": height,
        "steps": body.get("steps", 50),
        "cfg_scale": body.get("cfg_scale", 7.0),
        "denoising_strength": body.get("denoising_strength"),
        "sampler_name": body.get("sampler_name") or "Euler",
        "extra_generation_params": {},
        "index_of_first_image": 0,
    } | told
    texts = [infotext(info | {"seed": seed + i}, body) for i in range(count)]
    drawn = range(1 if was_interrupted else count)
    images = [make_png(width, height, seed + i, texts[i]) for i in drawn]
    return {"images": images, "parameters": body, "info": json.dumps(info | {"infotexts": texts})}


def infotext(info: dict[str, Any], body: dict[str, Any]) -> str:
    """The text that the webui keeps in a picture: the prompt, then one line of parameters."""
    scheduler = body.get("scheduler") or "Automatic"
    parameters = {
        "Steps": info["steps"],
        "Sampler": info["sampler_name"],
        "Schedule type": SCHEDULERS.get(scheduler, scheduler),
        "CFG scale": info["cfg_scale"],
        "Seed": info["seed"],
        "Size": f"{info['width']}x{info['height']}",
        "Model": info["sd_model_name"],
    }
    return f"{info['prompt']}\n{', '.join(f'{name}: {value}' for name, value in parameters.items())}"


def draw_extras(route: str, body: dict[str, Any]) -> dict[str, Any]:
    """The webui's answer of the two extras routes: the pictures as they came."""
    if route == "extra-single-image":
        return {"html_info": "<p></p>", "image": body["image"]}
    return {"html_info": "<p></p>", "images": [entry["data"] for entry in body["imageList"]]}


def error_body(error: str, message: str) -> dict[str, str]:
    """What the webui answers an exception with."""
    return {"error": error, "detail": "", "body": "", "errors": message}


def make_png(width: int, height: int, seed: int, text: str) -> str:
    """A one-coloured picture as base64."""
    row = b"\0" + random.Random(seed).randbytes(3) * width

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parameters = b"parameters\0\0\0\0\0" + text.encode()
    chunks = (
        chunk(b"IHDR", header) + chunk(b"iTXt", parameters) + chunk(b"IDAT", zlib.compress(row * height, 1))
    )
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IEND", b"")).decode()
