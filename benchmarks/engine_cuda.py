"""diffusers_webui on a GPU against the plain diffusers pipeline, eager, in one run.

A random model of Stable Diffusion 1.5's shape, float16, 512x512, 20 steps of Euler, one picture at a time;
from the prompt to the picture, without PNG. Where there is no GPU, nothing is measured.

An H200, torch 2.11, two runs: plain pipeline 1.24 and 1.63 pictures/s (the time between kernels decides, so
the host's CPU does), here without flags 1.63 and 1.75, with --torch-compile 5.29 and 5.33, which is 27 % of
the matrix rate; the first picture then comes after 67 s instead of 5 s.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from benchmarks.figures import Figure
from diffusers_webui import bodies
from diffusers_webui.arguments import parse
from diffusers_webui.fields import read_body
from diffusers_webui.folders import open_folders
from diffusers_webui.options import Options
from diffusers_webui.state import State
from diffusers_webui.studio import Studio

CLIP = Path(__file__).parents[1] / "model_layout" / "Stable-diffusion" / "clip"
PROMPT = "a red star on a blue background"


@dataclass(frozen=True)
class Shape:
    """How large the model and the drawing are."""

    unet: tuple[int, ...] = (320, 640, 1280, 1280)
    vae: tuple[int, ...] = (128, 256, 512, 512)
    text: int = 768
    text_layers: int = 12
    side: int = 512
    steps: int = 20
    pictures: int = 7
    dtype: torch.dtype = torch.float16
    matmul: int = 8192


def run() -> Iterator[Figure]:
    if torch.cuda.is_available():
        yield from measure(Shape(), torch.device("cuda"))


def measure(shape: Shape, device: torch.device) -> Iterator[Figure]:
    """Plain pipeline, this engine, and this engine with --torch-compile, on one checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        plain_s, work = plain_pipeline(shape, device, Path(folder) / "random")
        yield Figure("engine_cuda.plain_pipeline", 1 / plain_s, "1/s")
        rate = matmul_tflops(shape, device)
        yield Figure("engine_cuda.matmul_rate", rate, "TFLOP/s")
        for name, flags, goal in (("eager", [], None), ("compiled", ["--torch-compile"], 1.5)):
            began = time.monotonic()
            studio = opened(Path(folder), flags)
            draw_here(studio, shape)
            yield Figure(f"engine_cuda.{name}_first_picture", time.monotonic() - began, "s")
            ours_s = seconds(partial(draw_here, studio, shape), shape.pictures)
            yield Figure(f"engine_cuda.{name}", 1 / ours_s, "1/s")
            yield Figure(f"engine_cuda.{name}_speedup", plain_s / ours_s, "x", goal, at_least=True)
            yield Figure(f"engine_cuda.{name}_share_of_matmul_rate", work / ours_s / rate, "")


def plain_pipeline(shape: Shape, device: torch.device, folder: Path) -> tuple[float, float]:
    """Seconds a picture, and its work in TFLOP. The pipeline is left in the folder."""
    pipeline = random_pipeline(shape, device)
    pipeline.save_pretrained(folder)
    plain_s = seconds(partial(draw_plain, pipeline, shape), shape.pictures)
    with FlopCounterMode(display=False) as counter:
        draw_plain(pipeline, shape)
    return plain_s, counter.get_total_flops() / 1e12


def random_pipeline(shape: Shape, device: torch.device) -> Any:
    torch.manual_seed(0)
    with device:
        unet = UNet2DConditionModel(
            sample_size=shape.side // 8,
            block_out_channels=shape.unet,
            cross_attention_dim=shape.text,
            attention_head_dim=8,
        )
        vae = AutoencoderKL(
            block_out_channels=shape.vae,
            down_block_types=("DownEncoderBlock2D",) * len(shape.vae),
            up_block_types=("UpDecoderBlock2D",) * len(shape.vae),
            layers_per_block=2,
            latent_channels=4,
        )
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            hidden_size=shape.text,
            intermediate_size=4 * shape.text,
            num_hidden_layers=shape.text_layers,
            num_attention_heads=shape.text // 64,
            bos_token_id=49406,
            eos_token_id=49407,
        )
    )
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
    )
    tokenizer = CLIPTokenizer.from_pretrained(CLIP)
    pipeline = StableDiffusionPipeline(
        vae, text_encoder, tokenizer, unet, scheduler, None, None, requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device, shape.dtype)


def draw_plain(pipeline: Any, shape: Shape) -> None:
    pipeline(PROMPT, height=shape.side, width=shape.side, num_inference_steps=shape.steps, guidance_scale=7.0)


def opened(folder: Path, flags: list[str]) -> Studio:
    """The engine without HTTP, with the checkpoint of this folder loaded."""
    settings = parse(["--ckpt-dir", str(folder), "--data-dir", str(folder / "data"), *flags])
    studio = Studio(Options(None), open_folders(settings), State(), settings)
    studio.load()
    return studio


def draw_here(studio: Studio, shape: Shape) -> None:
    asked = {
        "prompt": PROMPT,
        "sampler_name": "Euler",
        "steps": shape.steps,
        "cfg_scale": 7.0,
        "width": shape.side,
        "height": shape.side,
        "send_images": False,
    }
    studio.draw("txt2img", read_body(json.dumps(asked).encode(), "application/json", bodies.TXT2IMG))


def seconds(work: Callable[[], None], times: int) -> float:
    """The median of some runs, after two that warm up. Each run ends with a picture in host memory."""
    taken = []
    for _ in range(2 + times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[2:])


def matmul_tflops(shape: Shape, device: torch.device) -> float:
    """What the device reaches on a large product of random matrices."""
    left, right = (torch.randn(2, shape.matmul, shape.matmul, device=device, dtype=shape.dtype)).unbind()

    def product() -> None:
        for _ in range(10):
            torch.mm(left, right)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return 10 * 2 * shape.matmul**3 / seconds(product, 5) / 1e12
