"""Textual inversion: files with a few vectors each, which the file's name in a prompt stands for.

Forms: safetensors with one tensor (`emb_params`) or with `clip_l` and `clip_g`; pickles as the stock webui
trains them (`string_to_param`) or with one tensor under its name.
Source: the stock webui's manual ("Textual Inversion"), GET /openapi.json (EmbeddingItem).
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusers_webui.errors import WebuiError
from diffusers_webui.hashes import HashCache

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

_SUFFIXES = (".safetensors", ".pt", ".bin")
_NOTES = ("step", "sd_checkpoint", "sd_checkpoint_name")


@dataclass(frozen=True, eq=False)
class Embedding:
    """One file."""

    name: str  #: of the file without suffix: the word in the prompt
    short_hash: str  #: first twelve digits of the file's sha256
    vectors: "tuple[Tensor, ...]"  #: (vectors, width) for each text encoder of the models that it fits
    notes: dict[str, Any]  #: what its trainer wrote down

    @property
    def count(self) -> int:
        """How many tokens it takes."""
        return len(self.vectors[0])

    @property
    def widths(self) -> list[int]:
        """Of the text encoders that it fits."""
        return [one.shape[1] for one in self.vectors]

    def listing(self) -> dict[str, Any]:
        """One item of GET /embeddings."""
        notes = {key: self.notes.get(key) for key in _NOTES}
        return {**notes, "shape": sum(self.widths), "vectors": self.count}


class EmbeddingFolder:
    """The embeddings folder as it was at the last look."""

    def __init__(self, folder: Path, hashes: HashCache):
        self._folder, self._hashes = folder, hashes
        self._seen: tuple[Any, ...] = ()
        self._embeddings: list[Embedding] = []
        self._widths: list[int] | None = None

    def fitting(self, widths: list[int]) -> list[Embedding]:
        """The embeddings for text encoders of these widths; files that came or changed are read first."""
        files = sorted(path for path in self._folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
        seen = tuple((path, path.stat().st_mtime_ns) for path in files)
        if seen != self._seen:
            found = [self._read(path) for path in files]
            self._seen, self._embeddings = seen, [one for one in found if one is not None]
        return [one for one in self._embeddings if one.widths == widths]

    def suit(self, widths: list[int]) -> None:
        """Look again. widths: of the loaded checkpoint's text encoders, the listing tells what fits them."""
        self.fitting(widths)
        self._widths = widths

    def listing(self) -> dict[str, dict[str, Any]]:
        """The body of GET /embeddings. Before a checkpoint is loaded nothing is, as in the stock webui."""
        items: dict[str, dict[str, Any]] = {"loaded": {}, "skipped": {}}
        if self._widths is not None:
            for one in self._embeddings:
                items["loaded" if one.widths == self._widths else "skipped"][one.name] = one.listing()
        return items

    def _read(self, path: Path) -> Embedding | None:
        """None for a file that is no embedding: it is logged, and the others are there."""
        from diffusers_webui.weights import read_pickle, read_weights  # torch, on the drawing thread

        try:
            is_pickle = path.suffix.lower() != ".safetensors"
            content = read_pickle(path) if is_pickle else read_weights(path)
            vectors = _vectors(content)
        except (WebuiError, OSError) as error:
            log.warning("embedding %s is left out: %s", path.name, type(error).__name__)
            return None
        if vectors is None:
            log.warning("embedding %s is left out: it holds no vectors", path.name)
            return None
        notes = {key: value for key, value in content.items() if isinstance(value, str | int)}
        return Embedding(path.stem, self._hashes.sha256(path)[:12], vectors, notes)


def _vectors(content: dict[str, Any]) -> "tuple[Tensor, ...] | None":
    if "clip_l" in content and "clip_g" in content:
        found = [content["clip_l"], content["clip_g"]]
    else:
        params = content.get("string_to_param", content)
        found = list(params.values())[:1] if isinstance(params, dict) else []
    if not found or not all(hasattr(one, "dim") and one.dim() in (1, 2) and len(one) for one in found):
        return None
    tables = [one.detach().float() if one.dim() == 2 else one.detach().float()[None] for one in found]
    return tuple(tables) if len({len(one) for one in tables}) == 1 else None
