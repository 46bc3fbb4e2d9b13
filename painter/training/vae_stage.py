"""Stage 1: the VAE, then its latents brought to unit variance."""

import math
import random
import time
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from painter.model.config import LATENT_SCALE
from painter.model.vae import AutoencoderKL
from painter.scenes import paint
from painter.training.losses import compiled, vae_loss
from painter.training.run import Run
from painter.training.sampling import save_sheet
from painter.training.store import PictureStore, to_model
from painter.training.weights import MasterWeights

HELD_OUT_SEED = 77_000_000  # far from any seed trained on
PEAK_LR = 8e-4
#: the webui's cheap latent-to-RGB preview, RGB by latent channel
PREVIEW = [[0.298, 0.207, 0.208], [0.187, 0.286, 0.173], [-0.158, 0.189, 0.264], [-0.184, -0.271, -0.473]]


def train_vae(run: Run, vae: AutoencoderKL, pictures: PictureStore) -> int:
    """Trains for --vae-s seconds and leaves the moving average in `vae`; gives the number of steps."""
    weights = MasterWeights(vae, run.dtype, lr=PEAK_LR, average=0.999)
    fast_loss, fast_shapes = compiled(vae_loss), set()
    curve: list[tuple[Any, ...]] = []
    started, step = time.monotonic(), 0
    while (progress := (time.monotonic() - started) / run.options.vae_s) < 1 and not run.is_over(step):
        crop, size, picture_px, at_half_size = _next_shape(progress, run.options.batch_crops)
        shape = f"vae_{crop}_{at_half_size}"
        if shape not in fast_shapes and run.is_warm(shape):
            fast_shapes.add(shape)
            run.log("vae: compiled", shape, "from step", step)
        loss_of = fast_loss if shape in fast_shapes else vae_loss
        loss, squared_error, kl = loss_of(vae, pictures.crops(size, crop, picture_px), at_half_size)
        loss.backward()
        cosine = 0.5 * (1 + math.cos(math.pi * progress)) * 0.97 + 0.03
        weights.step(PEAK_LR * min(1, (step + 1) / 200) * cosine)
        if step % 50 == 0:
            psnr = 10 * math.log10(4 / max(1e-9, float(squared_error)))
            seconds = round(time.monotonic() - started, 1)
            curve.append((step, seconds, crop, float(loss.detach()), psnr, float(kl)))
            if step % 400 == 0 or len(curve) < 4:
                numbers = f"loss {curve[-1][3]:.4f} psnr {psnr:.2f} kl {float(kl):.2f}"
                run.log(f"vae step {step} crop {crop} {numbers} store {pictures.count}")
        step += 1
    run.wait_for_device()
    run.save_json("vae_curve.json", curve)
    weights.averages_into(vae.float())
    run.log("vae trained: steps", step)
    return step


def _next_shape(progress: float, batch: int) -> tuple[int, int, int, bool]:
    """Crop in px, batch, picture in px, at half size: small crops first, for more steps; then large ones."""
    if progress < 0.58:
        return 128, batch, 512 if random.random() < 0.65 else 256, random.random() < 0.25
    if random.random() < 0.5:
        return 512, max(2, batch // 12), 512, False
    return 256, batch // 4, 512 if random.random() < 0.4 else 256, False


@torch.no_grad()
def measure_vae(run: Run, vae: AutoencoderKL, count: int) -> dict[str, dict[str, float]]:
    """PSNR in dB of held-out pictures at 512 and at 256 px, mean and worst; eight of them go to a sheet."""
    images = np.stack([paint(HELD_OUT_SEED + i)[0] for i in range(count)])
    found, shown = {}, None
    for picture_px in (512, 256):
        psnr: list[float] = []
        for i in range(0, count, 8):
            x = to_model(torch.from_numpy(images[i : i + 8]).to(run.device))
            x = F.avg_pool2d(x, 2) if picture_px == 256 else x
            again = vae.decode(vae.encode(x)[0]).clamp(-1, 1)
            squared_error = (x - again).pow(2).mean((1, 2, 3)).clamp(min=1e-8)
            psnr += (10 * torch.log10(4 / squared_error)).tolist()
            if shown is None:
                shown = torch.stack([x[:8], again[:8]], 1).flatten(0, 1)
        found[str(picture_px)] = {"mean": sum(psnr) / len(psnr), "min": min(psnr)}
    if shown is not None:
        save_sheet(shown, run.file("vae_recon.png"), 4)
    return found


@torch.no_grad()
def fold_latents(vae: AutoencoderKL, batches: list[Tensor]) -> list[float]:
    """Brings the latents, times 0.18215, to unit variance in every channel; gives their variances before.

    The map is folded into quant_conv and post_quant_conv, so the standard scale factor holds. Whitening
    leaves a rotation free: the one taken suits the webui's cheap preview of latents.
    """
    z, colors = _latents_and_colors(vae, batches)
    mean = z.mean(0)
    covariance = (z - mean).T @ (z - mean) / len(z)
    variances, axes = torch.linalg.eigh(covariance)
    whiten = axes @ torch.diag(variances.rsqrt()) @ axes.T
    preview = torch.tensor(PREVIEW, dtype=torch.float64, device=z.device)
    agreement = (colors - colors.mean(0)).T @ ((z - mean) @ whiten.T) / len(z)
    left, _, right = torch.linalg.svd(preview @ agreement)
    _fold(vae, (left @ right) @ whiten, mean)
    return variances.tolist()


def _latents_and_colors(vae: AutoencoderKL, batches: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Every place's latent (n x 4) and mean colour (n x 3), float64."""
    latents, colors = [], []
    for x in batches:
        latents.append(vae.encode(x)[0].float().permute(0, 2, 3, 1).reshape(-1, 4))
        colors.append(F.avg_pool2d(x.float(), 8).permute(0, 2, 3, 1).reshape(-1, 3))
    return torch.cat(latents).double(), torch.cat(colors).double()


def _fold(vae: AutoencoderKL, turn: Tensor, mean: Tensor) -> None:
    """Puts z -> turn (z - mean) / 0.18215 after the encoder and its inverse before the decoder."""
    after, before = vae.quant_conv, vae.post_quant_conv
    weight, bias = after.weight.double()[:, :, 0, 0], after.bias.double()
    log_scale = (turn.pow(2).sum(1) / LATENT_SCALE**2).log()
    spread = weight[4:].mean(0, keepdim=True).expand(4, -1)
    new_weight = torch.cat([turn @ weight[:4] / LATENT_SCALE, spread])
    new_bias = torch.cat([turn @ (bias[:4] - mean) / LATENT_SCALE, bias[4:].mean() + log_scale])
    before_weight, before_bias = before.weight.double()[:, :, 0, 0], before.bias.double()
    inverse_weight = before_weight @ torch.linalg.inv(turn) * LATENT_SCALE
    inverse_bias = before_bias + before_weight @ mean
    after.weight.copy_(new_weight[:, :, None, None].to(after.weight.dtype))
    after.bias.copy_(new_bias.to(after.bias.dtype))
    before.weight.copy_(inverse_weight[:, :, None, None].to(before.weight.dtype))
    before.bias.copy_(inverse_bias.to(before.bias.dtype))
