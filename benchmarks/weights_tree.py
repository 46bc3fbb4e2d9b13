"""Model trees for the packer's bench: normally distributed fp16 weights under the headers of real models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy

from tests.unit.model_files.weights import SD1, SD1_LORA, Shapes, write_weights

#: Written again and again: compressors look back 32 kB, so to them each round is new.
_ROUND_NUMBERS = 32_000_000
_LORA_MODULES = 264
_CHECKPOINT_TENSORS = 1100


def write_tree(root: Path, checkpoints: int, checkpoint_mb: int, loras: int, lora_mb: int) -> None:
    """Files of that many megabytes. Trainers noted the hash in every second LoRA, as in the wild."""
    weights = _normal_weights()
    for number in range(checkpoints):
        shapes = _padded(SD1, checkpoint_mb)
        path = write_weights(root / "Stable-diffusion" / f"checkpoint-{number}.safetensors", shapes)
        _fill(path, weights, number)
    for number in range(loras):
        noted = {"sshs_model_hash": f"{number:064x}"} if number % 2 else None
        shapes = _padded(SD1_LORA, lora_mb)
        path = write_weights(root / "Lora" / f"lora-{number}.safetensors", shapes, metadata=noted)
        _fill(path, weights, checkpoints + number)


def write_headers(root: Path, checkpoints: int, loras: int) -> None:
    """Files with as many tensors as SD 1.5 and its LoRAs have, their weights holes on the disk."""
    for number in range(checkpoints):
        write_weights(root / "Stable-diffusion" / f"checkpoint-{number}.safetensors", dict(_sd1_tensors()))
    for number in range(loras):
        write_weights(root / "Lora" / f"lora-{number}.safetensors", dict(_lora_tensors()))


def _padded(shapes: Shapes, size_mb: int) -> Shapes:
    return {**shapes, "padding": (size_mb * 500_000,)}


def _normal_weights() -> memoryview:
    numbers = numpy.random.default_rng(1).standard_normal(_ROUND_NUMBERS, dtype=numpy.float32)
    return memoryview((numbers * 0.02).astype(numpy.float16).tobytes())


def _fill(path: Path, weights: memoryview, number: int) -> None:
    """Fills the tensors, from another place of the round for each file, so that no two files are alike."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(8 + int.from_bytes(file.read(8), "little"))
        start = 1000 * number
        while left := size - file.tell():
            file.write(weights[start : start + left])
            start = 0


def _sd1_tensors() -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from SD1.items()
    for number in range(_CHECKPOINT_TENSORS):
        yield (
            f"model.diffusion_model.output_blocks.{number}.1.transformer_blocks.0.ff.net.2.weight",
            (640, 2560),
        )


def _lora_tensors() -> Iterator[tuple[str, tuple[int, ...]]]:
    for number in range(_LORA_MODULES):
        name = f"lora_unet_down_blocks_{number}_attentions_0_transformer_blocks_0_attn2_to_k"
        yield f"{name}.alpha", ()
        yield f"{name}.lora_down.weight", (32, 768)
        yield f"{name}.lora_up.weight", (320, 32)
