import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from diffusers_webui.arguments import parse
from diffusers_webui.checkpoints import Checkpoint
from diffusers_webui.model import load_model
from diffusers_webui.options import Options
from diffusers_webui.painter import Painter
from diffusers_webui.precision import Precision, choose_precision
from tests.unit.diffusers_webui import small_models
from tests.unit.diffusers_webui.test_model import CLIP


def chosen(flags: str, monkeypatch, has_gpu: bool) -> tuple[str, torch.dtype, torch.dtype]:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    found = choose_precision(parse(flags.split()))
    return str(found.device), found.dtype, found.vae_dtype


@pytest.mark.parametrize(
    ("flags", "device", "dtype", "vae_dtype"),
    [
        ("", "cuda:0", torch.float16, torch.float16),
        ("--no-half", "cuda:0", torch.float32, torch.float32),
        ("--precision full", "cuda:0", torch.float32, torch.float32),
        ("--no-half-vae", "cuda:0", torch.float16, torch.float32),
        ("--dtype bfloat16 --device-id 1", "cuda:1", torch.bfloat16, torch.bfloat16),
        ("--use-cpu all", "cpu", torch.float32, torch.float32),
        ("--opt-sdp-attention --xformers --opt-channelslast", "cuda:0", torch.float16, torch.float16),
    ],
)
def test_flags_choose_device_and_precision(monkeypatch, flags, device, dtype, vae_dtype):
    assert chosen(flags, monkeypatch, has_gpu=True) == (device, dtype, vae_dtype)


@pytest.mark.parametrize(
    ("flags", "dtype"), [("", torch.float32), ("--dtype bfloat16", torch.bfloat16)], ids=str
)
def test_without_a_gpu_it_is_the_cpu(monkeypatch, flags, dtype):
    assert chosen(flags, monkeypatch, has_gpu=False) == ("cpu", dtype, dtype)


def painter_in(tmp_path, dtype: torch.dtype, vae_dtype: torch.dtype) -> Painter:
    save_file(small_models.sd1().original(), tmp_path / "one.safetensors")
    place = Precision(torch.device("cpu"), dtype, vae_dtype)
    return Painter(load_model(Checkpoint(tmp_path / "one.safetensors", "one"), place, CLIP), Options())


def test_bfloat16_asks_the_unet_and_decodes_much_like_float32(tmp_path):
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    seen = []
    for dtype in (torch.float32, torch.bfloat16):
        painter = painter_in(tmp_path, dtype, dtype)
        painter.warm_up()
        seen.append(np.asarray(painter.pictures(latents)[0], dtype=int))
    assert abs(seen[0] - seen[1]).mean() < 3


def test_a_vae_that_breaks_in_half_precision_goes_on_in_float32(tmp_path):
    painter = painter_in(tmp_path, torch.float32, torch.bfloat16)
    vae = painter.model.vae
    decode = vae.decode

    def breaking(latents, **named):
        pixels = decode(latents, **named)[0]
        return (pixels * torch.nan if vae.dtype == torch.bfloat16 else pixels,)

    vae.decode = breaking
    picture = painter.pictures(torch.randn(1, 4, 8, 8))[0]
    assert vae.dtype == torch.float32 and np.asarray(picture).std() > 0
