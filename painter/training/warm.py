"""Fills the compiler's cache beside a running training.

    python -m painter.training.warm vae|unet OUT CROPS BATCH_32 BATCH_64 SLOT

Started by `Run.start_warming`; leaves an empty file OUT/warm_SHAPE for every shape that is done.
"""

import sys
import time
from pathlib import Path

import torch

from painter.model.config import TEXT, UNET, VAE
from painter.model.text import TextModel
from painter.model.unet import UNet
from painter.model.vae import AutoencoderKL
from painter.training.losses import compiled, diffusion_loss, encode, use_fast_kernels, vae_loss
from painter.training.weights import MasterWeights

DEVICE, DTYPE, LAST = "cuda", torch.bfloat16, torch.channels_last


def warm_vae(out: Path, batch: int, slot: int) -> None:
    """The VAE's loss at its three crops, and the encoder."""
    vae = AutoencoderKL(**VAE).to(DEVICE).to(memory_format=LAST)
    weights = MasterWeights(vae, DTYPE, 1e-6)
    loss_of = compiled(vae_loss)
    shapes = (
        (128, batch, False),
        (128, batch, True),
        (512, max(2, batch // 12), False),
        (256, batch // 4, False),
    )
    for crop, size, at_half_size in shapes:
        x = torch.randn(size, 3, crop, crop, device=DEVICE).to(DTYPE).contiguous(memory_format=LAST)
        for _ in range(2):
            loss_of(vae, x, at_half_size)[0].backward()
            weights.step(1e-6)
        _done(out, f"vae_{crop}_{at_half_size}")
    encoder = AutoencoderKL(**VAE).to(DEVICE).to(DTYPE).eval().requires_grad_(False).to(memory_format=LAST)
    with torch.no_grad():
        compiled(encode)(encoder, torch.zeros(slot, 512, 512, 3, dtype=torch.uint8, device=DEVICE))
    _done(out, "encode")


def warm_unet(out: Path, batch_32: int, batch_64: int) -> None:
    """The diffusion loss at both sizes of latents."""
    text, unet = TextModel(**TEXT).to(DEVICE), UNet(**UNET).to(DEVICE).to(memory_format=LAST)
    weights = MasterWeights(unet, DTYPE, 1e-6), MasterWeights(text, torch.float32, 1e-6)
    loss_of = compiled(diffusion_loss)
    for side, size in ((32, batch_32), (64, batch_64)):
        ids = torch.zeros(size, 77, dtype=torch.int32, device=DEVICE)
        t = torch.randint(0, 1000, (size,), device=DEVICE)
        z = torch.randn(size, 4, side, side, device=DEVICE)
        share = torch.rand(size, device=DEVICE)
        gamma = torch.tensor(5.0, device=DEVICE)
        for _ in range(2):
            loss_of(unet, text, z, ids, t, z, share, share, gamma)[0].backward()
            for each in weights:
                each.step(1e-6)
        _done(out, f"unet_{side}")


def _done(out: Path, shape: str) -> None:
    torch.cuda.synchronize()
    (out / f"warm_{shape}").touch()
    print("warm", shape, round(time.process_time(), 1), flush=True)


def main() -> None:
    which, out, *sizes = sys.argv[1:]
    batch_crops, batch_32, batch_64, slot = (int(size) for size in sizes)
    use_fast_kernels()
    if which == "vae":
        warm_vae(Path(out), batch_crops, slot)
    else:
        warm_unet(Path(out), batch_32, batch_64)


if __name__ == "__main__":
    main()
