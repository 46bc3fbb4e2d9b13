"""A reply of the size that the stock webui gives for a detailed picture of 512 × 512: 848 kB of JSON.

The recording of the webui has its pictures cut short, so a picture of noise takes their place.
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

RECORDING = Path(__file__).resolve().parents[1] / "tests/contract/recordings/stock_webui/routes.json"
CHECKPOINT = "tinyA"  #: that the recording was drawn with
SIZE = {"width": 512, "height": 512, "steps": 2}
#: Noise of so many levels makes a PNG as big as the webui's was: 635 kB.
_LEVELS = 52


def write(file: Path) -> None:
    """The body of the webui's answer to a txt2img of SIZE."""
    (reply,) = (
        exchange["response"]["json"]
        for exchange in json.loads(RECORDING.read_text())
        if exchange["name"] == "01_txt2img_minimal"
    )
    info = json.loads(reply["info"]) | SIZE
    picture = _noise(info["infotexts"][0])
    file.write_text(json.dumps(reply | {"images": [picture], "info": json.dumps(info)}))


def _noise(parameters: str) -> str:
    """A PNG as base64, with its parameters inside as the webui keeps them."""
    pixels = np.random.default_rng(1).integers(0, _LEVELS, (SIZE["height"], SIZE["width"], 3), np.uint8)
    text = PngInfo()
    text.add_text("parameters", parameters)
    picture = io.BytesIO()
    Image.fromarray(pixels).save(picture, "png", pnginfo=text)
    return base64.b64encode(picture.getvalue()).decode()
