"""The pieces that are compiled on a GPU: the VAE's loss, the diffusion loss and the latent encoder.

They stand apart from the stages so that warm.py can compile them in a second process.
"""

from collections.abc import Callable
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from painter.model.config import LATENT_SCALE
from painter.model.text import TextModel
from painter.model.unet import UNet
from painter.model.vae import AutoencoderKL

Function = TypeVar("Function", bound=Callable[..., object])


def vae_loss(vae: AutoencoderKL, x: Tensor, at_half_size: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Loss, mean squared error and KL of a batch (-1 to 1, NCHW).

    at_half_size: half-size latents must decode to the half-size picture; it makes latents smoother, and
    256 px behave like 512.
    """
    mean, log_variance = (part.float() for part in vae.encode(x))
    z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
    kl = 0.5 * (mean.pow(2) + log_variance.exp() - 1 - log_variance).mean()
    y = x.float()
    if at_half_size:
        z, y = F.avg_pool2d(z, 2), F.avg_pool2d(y, 2)
    decoded = vae.decode(z.to(x.dtype).contiguous(memory_format=torch.channels_last)).float()
    error = decoded - y
    weighted = (error.abs() * _edge_weights(y)).mean()
    gradient = (error[..., 1:] - error[..., :-1]).abs().mean()
    gradient = gradient + (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    coarse = F.avg_pool2d(error, 4).abs().mean() + F.avg_pool2d(error, 16).abs().mean()
    loss = weighted + 0.5 * gradient + 0.5 * coarse + 1e-4 * kl
    return loss, error.detach().pow(2).mean(), kl.detach()


def _edge_weights(y: Tensor) -> Tensor:
    """1 to 4: places near edges count more."""
    across = F.pad(y[..., 1:] - y[..., :-1], (0, 1, 0, 0)).abs()
    down = F.pad(y[..., 1:, :] - y[..., :-1, :], (0, 0, 0, 1)).abs()
    return 1 + 3 * F.max_pool2d((across + down).amax(1, keepdim=True), 5, 1, 2).clamp(max=1)


def diffusion_loss(
    unet: UNet,
    text: TextModel,
    latents: Tensor,
    ids: Tensor,
    t: Tensor,
    noise: Tensor,
    share: Tensor,
    ratio: Tensor,
    gamma: Tensor,
) -> tuple[Tensor, Tensor]:
    """Noise prediction with min-SNR weights: weighted loss and plain mean squared error.

    share, ratio: alphas_cumprod and signal-to-noise at the steps `t`; gamma: the largest ratio that counts.
    """
    context = text(ids).to(unet.out[2].weight.dtype)
    share = share[:, None, None, None]
    x = (share.sqrt() * latents + (1 - share).sqrt() * noise).to(context.dtype)
    predicted = unet(x.contiguous(memory_format=torch.channels_last), t, context).float()
    error = (predicted - noise).pow(2).mean((1, 2, 3))
    return (error * torch.minimum(ratio, gamma) / ratio).mean(), error.detach().mean()


def encode(vae: AutoencoderKL, images: Tensor) -> tuple[Tensor, Tensor]:
    """Scaled latents (float16) of pictures (uint8 NHWC, 512 px): at 512 and at 256."""
    x = images.permute(0, 3, 1, 2).to(vae.quant_conv.weight.dtype) / 127.5 - 1
    x = x.contiguous(memory_format=torch.channels_last)
    full = vae.encode(x)[0].float() * LATENT_SCALE
    half = vae.encode(F.avg_pool2d(x, 2))[0].float() * LATENT_SCALE
    return full.half(), half.half()


def use_fast_kernels() -> None:
    """TF32 and tuned kernels, where there is a GPU."""
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True


def compiled(function: Function) -> Function:
    """The function compiled for fixed shapes."""
    return torch.compile(function, dynamic=False)
