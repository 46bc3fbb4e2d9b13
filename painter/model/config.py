"""The sizes of tiny-painter (11.9 million parameters)."""

from typing import Any

#: num_res_blocks is 2 on purpose: the stock webui maps diffusers' LoRA names as if a level had three blocks
UNET: dict[str, Any] = {
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 96,
    "attention_resolutions": [4, 2],
    "num_res_blocks": 2,
    "channel_mult": [1, 1, 1],
    "num_heads": 4,
    "context_dim": 64,
}
#: LDM fixes 32 norm groups: with ch 32 a group would be one channel, and flat colours lose their level
VAE: dict[str, Any] = {"ch": 64, "ch_mult": [1, 1, 1, 1], "num_res_blocks": 1, "z_channels": 4}
TEXT: dict[str, Any] = {"vocab": 49408, "width": 64, "layers": 4, "heads": 4, "mlp": 256, "ctx": 77}

LATENT_SCALE = 0.18215
NOISE_STEPS = 1000
BETA_START, BETA_END = 0.00085, 0.012
