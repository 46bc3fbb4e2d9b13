"""The packed checkpoint in Hugging Face diffusers, without the network. Needs diffusers and transformers."""

import tempfile
from pathlib import Path
from typing import Any

import torch

from painter.package import write_diffusers_config

MODEL_LAYOUT = Path(__file__).parents[1] / "model_layout"
CHECKPOINT = MODEL_LAYOUT / "Stable-diffusion" / "tiny-painter.safetensors"
LORA = MODEL_LAYOUT / "Lora" / "blueprint.safetensors"


def load_pipeline(checkpoint: Path = CHECKPOINT) -> Any:
    """A StableDiffusionPipeline of the checkpoint and its sibling yaml: float32, Euler a, on the CPU."""
    from diffusers import StableDiffusionPipeline

    with tempfile.TemporaryDirectory() as folder:
        write_diffusers_config(Path(folder))
        pipeline = StableDiffusionPipeline.from_single_file(
            str(checkpoint),
            original_config=str(checkpoint.with_suffix(".yaml")),
            config=folder,
            local_files_only=True,
            torch_dtype=torch.float32,
            safety_checker=None,
        )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.unet.to(memory_format=torch.channels_last)
    pipeline.vae.to(memory_format=torch.channels_last)
    return pipeline


def draw(pipeline: Any, prompt: str, seed: int, size_px: int = 512, steps: int = 20, cfg: float = 7.0) -> Any:
    """One picture (PIL) of the prompt. Same seed, same picture."""
    generator = torch.Generator().manual_seed(seed)
    drawn = pipeline(
        prompt,
        num_inference_steps=steps,
        guidance_scale=cfg,
        height=size_px,
        width=size_px,
        generator=generator,
    )
    return drawn.images[0]
