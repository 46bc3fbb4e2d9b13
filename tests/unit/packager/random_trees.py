"""Model trees whose files have the headers of real models and random weights."""

from __future__ import annotations

import random
from pathlib import Path

from tests.unit.model_files.weights import SD1, SD1_LORA, Shapes, write_weights

CHECKPOINT = "Stable-diffusion/ink.safetensors"


def write_model(path: Path, shapes: Shapes, seed: int = 0, more_numbers: int = 0) -> Path:
    """A safetensors file of random weights, `more_numbers` fp16 numbers longer than its shapes."""
    padded = dict(shapes) | ({"padding": (more_numbers,)} if more_numbers else {})
    write_weights(path, padded)
    with path.open("r+b") as file:
        start = 8 + int.from_bytes(file.read(8), "little")
        file.seek(start)
        file.write(random.Random(f"{path.name} {seed}").randbytes(path.stat().st_size - start))
    return path


def write_tree(root: Path, loras: int = 0, checkpoint_numbers: int = 0) -> Path:
    """A good tree: a Stable Diffusion 1 checkpoint and some LoRAs, all of one size."""
    write_model(root / CHECKPOINT, SD1, more_numbers=checkpoint_numbers)
    for number in range(loras):
        write_model(root / f"Lora/style-{number}.safetensors", SD1_LORA, more_numbers=5000)
    return root


def files_of(root: Path) -> dict[str, bytes]:
    """path -> bytes of every file below."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
