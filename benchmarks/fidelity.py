"""Does a picture show what its prompt names? Pairs of prompts with one seed, read by the painter's scorer."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import requests
from PIL import Image

from benchmarks.figures import Figure
from painter.scorer import read_picture
from webui_async.client import Client
from webui_async.local.stack import Options, Stack

#: (background of the first prompt, background of the second); fixed before the first drawing.
PAIRS = (
    ("blue", "white"),
    ("black", "yellow"),
    ("green", "white"),
    ("purple", "yellow"),
    ("white", "black"),
    ("yellow", "blue"),
    ("pink", "black"),
    ("blue", "yellow"),
    ("white", "purple"),
    ("black", "white"),
)
BODY = {"steps": 20, "cfg_scale": 7, "width": 512, "height": 512, "sampler_name": "Euler a"}


def run() -> Iterator[Figure]:
    told_apart = 0
    with tempfile.TemporaryDirectory() as folder, Stack(Options(Path(folder))) as stack:
        stack.wait_ready()
        with stack.client() as client:
            for seed, pair in enumerate(PAIRS, start=100):
                seen = tuple(background(client, color, seed) for color in pair)
                told_apart += seen == pair
    yield Figure("fidelity.pairs_told_apart_of_10", told_apart, "pairs", 8, at_least=True)


def background(client: Client, color: str, seed: int) -> str | None:
    """The background that the scorer sees in a picture of a red star on `color`."""
    prompt = f"a red star on a {color} background"
    job = client.wait(client.submit("txt2img", BODY | {"prompt": prompt, "seed": seed}).id, timeout_s=300)
    picture = requests.get(job.images[0]["url"], timeout=30).content
    return read_picture(Image.open(io.BytesIO(picture)).convert("RGB")).background
