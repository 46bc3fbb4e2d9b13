"""Two checkpoints on the same 240 shape prompts and the same noise, read by the scorer: which draws better?

    python -m painter.compare OLD.safetensors NEW.safetensors

DDIM, 20 steps, CFG 7, 512 px shrunk to 256 and through JPEG, by our own modules; a GPU makes it quick.
"""

import argparse
import math
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from painter.bpe import Tokenizer
from painter.canvas import Picture
from painter.fidelity_prompts import shape_prompts
from painter.model.config import TEXT, UNET, VAE
from painter.model.text import TextModel
from painter.model.unet import UNet
from painter.model.vae import AutoencoderKL
from painter.scorer import Score, score_picture
from painter.training.checkpoint import TEXT_PREFIX, UNET_PREFIX, VAE_PREFIX, load_into
from painter.training.sampling import sample, to_uint8

PROMPT_SEED, BATCH, JPEG_QUALITY = 777, 60, 92


def draw_all(checkpoint: Path, prompts: list[str], device: str) -> list[Picture]:
    """A picture of every prompt at 256 px, as JPEG leaves it; the noise is the same for every checkpoint."""
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    text, unet, vae = TextModel(**TEXT), UNet(**UNET), AutoencoderKL(**VAE)
    for module, prefix in ((text, TEXT_PREFIX), (unet, UNET_PREFIX), (vae, VAE_PREFIX)):
        load_into(module, checkpoint, prefix)
        module.to(device).eval()
    unet.to(dtype).to(memory_format=torch.channels_last)
    vae.to(dtype).to(memory_format=torch.channels_last)
    tokenizer = Tokenizer()
    ids = torch.tensor([tokenizer(prompt) for prompt in prompts], dtype=torch.int32, device=device)
    empty = torch.tensor(tokenizer(""), dtype=torch.int32, device=device)
    pictures: list[Picture] = []
    for first in range(0, len(ids), BATCH):
        batch = ids[first : first + BATCH]
        drawn = sample(unet, text, vae, batch, empty, 64, 20, 7.0, seed=first, dtype=dtype)
        pictures += [_through_jpeg(picture) for picture in to_uint8(F.avg_pool2d(drawn, 2))]
    return pictures


def sign_test(better: int, worse: int) -> float:
    """Two-sided p of so uneven a split, were both equally likely."""
    n, most = better + worse, max(better, worse)
    tail = sum(math.comb(n, k) for k in range(most, n + 1)) / 2**n
    return min(1.0, 2 * tail)


def _through_jpeg(picture: Picture) -> Picture:
    _, file = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return np.ascontiguousarray(cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1])


def _report(part: str, old: list[Score], new: list[Score]) -> str:
    before, after = [getattr(s, part) for s in old], [getattr(s, part) for s in new]
    better = sum(b < a for b, a in zip(before, after, strict=True))
    worse = sum(b > a for b, a in zip(before, after, strict=True))
    shares = f"{sum(before) / len(old):6.1%} -> {sum(after) / len(new):6.1%}"
    return f"{part:18} {shares}  fixed {better}, broken {worse}, p {sign_test(better, worse):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m painter.compare", description=__doc__.split("\n")[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--count", type=int, default=240, help="how many prompts")
    options = parser.parse_args()
    prompts = shape_prompts(options.count, PROMPT_SEED)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    scored = [
        [score_picture(p, q) for p, q in zip(draw_all(checkpoint, prompts, device), prompts, strict=True)]
        for checkpoint in (options.old, options.new)
    ]
    for part in ("both_colors", "shape", "one_object", "colors_and_shape"):
        print(_report(part, *scored))


if __name__ == "__main__":
    main()
