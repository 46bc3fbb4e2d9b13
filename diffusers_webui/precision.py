"""Where to draw and in which floating point: the stock webui's flags, and `--dtype` of our own."""

from dataclasses import dataclass

import torch

from diffusers_webui.arguments import Settings


@dataclass(frozen=True)
class Precision:
    """What the networks are put into."""

    device: torch.device
    dtype: torch.dtype  #: of the UNet and the text encoders
    vae_dtype: torch.dtype
    is_compiled: bool = False  #: compile the UNet


def choose_precision(settings: Settings) -> Precision:
    """CUDA in half precision where there is a GPU, else the CPU in float32."""
    device = _device(settings)
    dtype = _dtype(settings, device)
    vae_dtype = torch.float32 if settings.flags.get("no_half_vae") else dtype
    return Precision(device, dtype, vae_dtype, settings.torch_compile)


def _device(settings: Settings) -> torch.device:
    wants_cpu = {"all", "sd"} & {str(part).lower() for part in settings.flags.get("use_cpu") or []}
    if wants_cpu or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(settings.flags.get("device_id") or 0))


def _dtype(settings: Settings, device: torch.device) -> torch.dtype:
    if settings.dtype is not None:
        named: torch.dtype = getattr(torch, settings.dtype)
        return named
    if settings.flags.get("no_half") or settings.flags.get("precision") == "full":
        return torch.float32
    return torch.float16 if device.type == "cuda" else torch.float32
