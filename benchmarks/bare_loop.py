"""`python -m benchmarks.bare_loop`: the networks of the demo model called by hand, once a line of input.

Text, UNet (with and without prompt in one batch) and VAE, as many times as a drawing needs them, and nothing
else: no noise levels, no HTTP, no PNG. A line is the number of steps; the answer is the seconds.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from benchmarks.webui import MODELS

SIDE = 512 // 8
DEMO = MODELS / "Stable-diffusion" / "tiny-painter"


def main() -> None:
    # threads and memory format are those of the engine's process
    os.environ.update(HF_HUB_OFFLINE="1", GOMP_SPINCOUNT="3000")
    import torch
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    unet, vae = (_from_demo(network) for network in (UNet2DConditionModel, AutoencoderKL))
    text_encoder = CLIPTextModel(CLIPTextConfig.from_pretrained(DEMO.parent / "clip")).eval()
    tokens = torch.full((1, 77), text_encoder.config.eos_token_id)

    @torch.inference_mode()
    def draw(steps: int) -> float:
        began = time.perf_counter()
        text = torch.cat([text_encoder(tokens).last_hidden_state for _ in ("prompt", "negative")])
        latents = torch.randn(2, 4, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
        for step in range(steps):
            noise = unet(latents, torch.tensor(step), encoder_hidden_states=text, return_dict=False)[0]
        vae.decode(noise[:1], return_dict=False)
        return time.perf_counter() - began

    print("ready", flush=True)
    for line in sys.stdin:
        print(draw(int(line)), flush=True)


def _from_demo(network: Any) -> Any:
    """One network of the demo model, as diffusers reads it from the original format."""
    import torch

    file, config = str(DEMO.with_suffix(".safetensors")), str(DEMO.with_suffix(".yaml"))
    built = network.from_single_file(file, original_config=config, local_files_only=True).float().eval()
    return built.to(memory_format=torch.channels_last)


if __name__ == "__main__":
    main()
