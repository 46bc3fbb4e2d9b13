"""LoRA files: what is there, and their weights added to a model and taken out again, exactly.

Kohya's format only: `lora_unet_<module>.lora_down.weight`, `.lora_up.weight`, `.alpha`.
Source of names and rules: stable-diffusion-webui extensions-builtin/Lora.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers_webui.hashes import HashCache
from diffusers_webui.prompt import ExtraNetwork

_HEADER_LIMIT_BYTES = 100_000_000


@dataclass
class Lora:
    """One LoRA file."""

    path: Path
    name: str  #: file name without suffix: what `<lora:name:1>` says
    metadata: dict[str, Any]  #: of the safetensors header, JSON values read

    @property
    def alias(self) -> str:
        """The name it was trained under."""
        return str(self.metadata.get("ss_output_name") or self.name)

    def listing(self) -> dict[str, Any]:
        """One item of GET /loras."""
        return {"name": self.name, "alias": self.alias, "path": str(self.path), "metadata": self.metadata}


@dataclass(frozen=True)
class Wish:
    """A LoRA that a prompt asks for and that is there."""

    lora: Path
    name: str
    text_weight: float  #: of the text encoder part
    unet_weight: float  #: of the UNet part


class LoraFolder:
    """The LoRA folder as it was at the last look."""

    def __init__(self, folder: Path, hashes: HashCache):
        self._folder = folder
        self._hashes = hashes
        self._loras: dict[str, Lora] = {}
        self.refresh()

    def refresh(self) -> None:
        """Look at the folder again."""
        paths = sorted(path for path in self._folder.rglob("*.safetensors") if path.is_file())
        self._loras = {path.stem: Lora(path, path.stem, _read_metadata(path)) for path in paths}

    def listing(self) -> list[dict[str, Any]]:
        """The body of GET /loras."""
        return [lora.listing() for lora in self._loras.values()]

    def wishes(self, tags: list[ExtraNetwork]) -> list[Wish]:
        """The LoRA that a prompt's tags ask for. Unknown ones are left out silently, as in the stock webui.

        A weight that is no number makes all of them void, there and here.
        """
        try:
            named = [(tag.positional[0], *_weights(tag)) for tag in tags if tag.positional]
        except ValueError:
            return []
        if any(self._named(name) is None for name, *_ in named):
            self.refresh()
        found = [(self._named(name), text, unet) for name, text, unet in named]
        return [Wish(lora.path, lora.name, text, unet) for lora, text, unet in found if lora is not None]

    def hashes_text(self, wishes: list[Wish]) -> str | None:
        """`Lora hashes` of an infotext: `name: hash, ...`, or None."""
        pairs = {wish.name: self._short_hash(wish) for wish in wishes}
        return ", ".join(f"{name}: {short}" for name, short in pairs.items()) or None

    def _named(self, name: str) -> Lora | None:
        by_alias = {lora.alias: lora for lora in self._loras.values()}
        return self._loras.get(name) or by_alias.get(name)

    def _short_hash(self, wish: Wish) -> str:
        lora = self._named(wish.name)
        known = lora.metadata.get("sshs_model_hash") if lora else None
        return str(known or self._hashes.sha256(wish.lora, weights_only=True))[:12]


def _weights(tag: ExtraNetwork) -> tuple[float, float]:
    text = float(tag.positional[1]) if len(tag.positional) > 1 else 1.0
    text = float(tag.named.get("te", text))
    unet = float(tag.positional[2]) if len(tag.positional) > 2 else text
    return text, float(tag.named.get("unet", unet))


def _read_metadata(path: Path) -> dict[str, Any]:
    """The metadata of a safetensors header; {} for a file that has none or is broken."""
    try:
        with path.open("rb") as file:
            size = struct.unpack("<Q", file.read(8))[0]
            header = json.loads(file.read(min(size, _HEADER_LIMIT_BYTES)))
        metadata = dict(header.get("__metadata__", {}))
    except (OSError, ValueError, struct.error, AttributeError, TypeError):
        return {}
    for key, value in metadata.items():
        if isinstance(value, str) and value.startswith("{"):
            try:
                metadata[key] = json.loads(value)
            except ValueError:
                continue
    return metadata
