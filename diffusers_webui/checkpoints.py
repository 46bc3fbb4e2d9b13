"""The checkpoints on disk: what is there, and by which names the webui knows each."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers_webui.errors import NoCheckpoints
from diffusers_webui.hashes import HashCache

_SUFFIXES = (".safetensors", ".ckpt")


@dataclass
class Checkpoint:
    """One checkpoint file."""

    path: Path  #: the weights
    name: str  #: path below the checkpoint folder
    sha256: str | None = None  #: of the file, known from the first load on

    @property
    def model_name(self) -> str:
        """Name without suffix, as infotexts give it."""
        return self.name.rsplit(".", 1)[0].replace("/", "_")

    @property
    def short_hash(self) -> str | None:
        """First ten digits of the sha256."""
        return self.sha256[:10] if self.sha256 else None

    @property
    def title(self) -> str:
        """`name [hash]`, as options and lists give it."""
        return f"{self.name} [{self.short_hash}]" if self.sha256 else self.name

    @property
    def config(self) -> Path | None:
        """The yaml beside the weights that describes the model, if there is one."""
        beside = self.path.with_suffix(".yaml")
        return beside if beside.exists() else None

    def aliases(self) -> list[str]:
        """Every name by which override_settings may ask for it; the match is exact."""
        names = [self.name, self.path.name, self.path.stem, self.model_name, self.title]
        if self.sha256 and self.short_hash:
            names += [self.short_hash, self.sha256, f"{self.path.stem} [{self.short_hash}]"]
        return names

    def listing(self) -> dict[str, Any]:
        """One item of GET /sd-models."""
        config = str(self.config) if self.config else None
        return {
            "title": self.title,
            "model_name": self.model_name,
            "hash": self.short_hash,
            "sha256": self.sha256,
            "filename": str(self.path),
            "config": config,
        }


class CheckpointFolder:
    """The checkpoint folder as it was at the last refresh: it looks only when told, like the stock webui."""

    def __init__(self, folder: Path, hashes: HashCache, hashing: bool = True):
        self.folder = folder
        self._hashes = hashes
        self._hashing = hashing
        self._checkpoints: list[Checkpoint] = []
        self.refresh()

    def refresh(self) -> None:
        """Look at the folder again."""
        paths = [path for path in self.folder.rglob("*") if path.suffix in _SUFFIXES and path.is_file()]
        found = [
            Checkpoint(path, path.relative_to(self.folder).as_posix())
            for path in paths
            if not path.name.endswith(".vae.safetensors")
        ]
        for checkpoint in found:
            checkpoint.sha256 = self._hashes.known(checkpoint.path) if self._hashing else None
        self._checkpoints = sorted(found, key=lambda checkpoint: _natural(checkpoint.name))

    def all(self) -> list[Checkpoint]:
        """Every checkpoint, in the order of the stock webui's list."""
        return list(self._checkpoints)

    def named(self, name: Any) -> Checkpoint | None:
        """The checkpoint of this exact name, title or hash. Raises TypeError for a list, as stock does."""
        by_alias: dict[Any, Checkpoint] = {}
        for checkpoint in self._checkpoints:
            for alias in checkpoint.aliases():
                by_alias.setdefault(alias, checkpoint)
        return by_alias.get(name)

    def default(self, wanted: str | None) -> Checkpoint:
        """The wanted checkpoint, or the first there is. Raises NoCheckpoints."""
        if not self._checkpoints:
            self.refresh()  # a file that came since the start may be used without being announced
        if not self._checkpoints:
            raise NoCheckpoints(str(self.folder))
        return (self.named(wanted) if wanted else None) or self._checkpoints[0]

    def hash(self, checkpoint: Checkpoint) -> None:
        """Learn its sha256; costs a read of the whole file the first time."""
        if self._hashing:
            checkpoint.sha256 = self._hashes.sha256(checkpoint.path)


def _natural(name: str) -> list[Any]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name.lower())]
