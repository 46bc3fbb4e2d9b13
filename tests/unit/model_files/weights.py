"""Safetensors files for tests: their headers as trainers write them, their weights a hole on the disk."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from webui_async.model_files.headers import ITEM_BYTES

#: What of a Stable Diffusion 1 checkpoint tells that it is one.
SD1 = {
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768),
    "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3),
}
SDXL = {
    "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (640, 2048),
    "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3),
}
_ATTENTION = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
SD1_LORA = {f"{_ATTENTION}.lora_down.weight": (4, 768), f"{_ATTENTION}.lora_up.weight": (320, 4)}
SDXL_LORA = {f"{_ATTENTION}.lora_down.weight": (4, 2048), f"{_ATTENTION}.lora_up.weight": (640, 4)}
SD1_CONTROLNET = {
    "control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768),
    "control_model.input_hint_block.0.weight": (16, 3, 3, 3),
}
Shapes = Mapping[str, Sequence[int]]


def write_weights(
    path: Path, shapes: Shapes, dtype: str = "F16", metadata: Mapping[str, str] | None = None
) -> Path:
    """A whole safetensors file of zeros."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name, shape in shapes.items():
        end = at + math.prod(shape) * ITEM_BYTES[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, end]}
        at = end
    return write_raw(path, header, at)


def write_raw(path: Path, header: object, weights_bytes: int) -> Path:
    """A file with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + weights_bytes)
    return path
