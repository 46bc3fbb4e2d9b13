"""Small model trees, and what a check says of them."""

from __future__ import annotations

from pathlib import Path

from tests.unit.model_files.weights import SD1, SD1_LORA, write_weights
from webui_async.packager.check import check_tree
from webui_async.packager.report import Finding


def good_tree(root: Path) -> Path:
    """A checkpoint with its yaml, a LoRA with its preview."""
    write_weights(root / "Stable-diffusion" / "photo.safetensors", SD1)
    put(
        root / "Stable-diffusion" / "photo.yaml",
        b"model: {target: ldm.models.diffusion.ddpm.LatentDiffusion}\n",
    )
    write_weights(root / "Lora" / "style" / "ink.safetensors", SD1_LORA)
    put(root / "Lora" / "style" / "ink.png", b"picture")
    return root


def put(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def findings(root: Path) -> dict[str, Finding]:
    """What a check of the tree says, by path."""
    return {found.path: found for found in check_tree(root).findings}


def told(root: Path, path: str) -> str:
    """`verdict: reasons` of one file or folder."""
    found = findings(root)[path]
    return f"{found.verdict}: {'; '.join(found.reasons)}"
