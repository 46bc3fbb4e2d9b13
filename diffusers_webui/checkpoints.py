"""The checkpoints on disk: what is there, and by which names the webui knows each."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers_webui.errors import NoCheckpoints
from diffusers_webui.hashes import HashCache

_SUFFIXES = (".safetensors", ".ckpt")
_VAE_SUFFIXES = (".vae.safetensors", ".vae.ckpt")
#: the file that makes a folder a diffusers checkpoint
PIPELINE_INDEX = "model_index.json"
_PIPELINE_UNET = "unet/*.safetensors"


@dataclass
class Checkpoint:
    """One checkpoint: a file, or a diffusers folder."""

    path: Path  #: the file, or the folder
    name: str  #: path below the checkpoint folder
    sha256: str | None = None  #: of the file, known from the first load on

    @property
    def model_name(self) -> str:
        """Name without suffix, as infotexts give it."""
        return self.name.removesuffix(_suffix(self.path)).replace("/", "_")

    @property
    def stem(self) -> str:
        """File name without suffix, or the folder's name."""
        return self.path.name.removesuffix(_suffix(self.path))

    @property
    def hashed_file(self) -> Path:
        """The file whose sha256 tells this checkpoint from others: of a folder, the UNet's weights."""
        if not self.path.is_dir():
            return self.path
        return min(self.path.glob(_PIPELINE_UNET), default=self.path / PIPELINE_INDEX)

    @property
    def short_hash(self) -> str | None:
        """First ten digits of the sha256."""
        return self.sha256[:10] if self.sha256 else None

    @property
    def title(self) -> str:
        """`name [hash]`, as options and lists give it."""
        return f"{self.name} [{self.short_hash}]" if self.sha256 else self.name

    @property
    def short_title(self) -> str:
        """`stem [hash]`, as infotexts name the checkpoints that help."""
        return f"{self.stem} [{self.short_hash}]" if self.sha256 else self.stem

    @property
    def config(self) -> Path | None:
        """The yaml beside the weights that describes the model, if there is one."""
        beside = self.path.with_name(f"{self.stem}.yaml")
        return beside if self.path.is_file() and beside.exists() else None

    def aliases(self) -> list[str]:
        """Every name by which override_settings may ask for it; the match is exact."""
        names = [self.name, self.path.name, self.stem, self.model_name, self.title]
        if self.sha256 and self.short_hash:
            names += [self.short_hash, self.sha256, f"{self.stem} [{self.short_hash}]"]
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
        pipelines = {index.parent for index in self.folder.rglob(PIPELINE_INDEX)}
        files = [
            path
            for path in self.folder.rglob("*")
            if path.suffix in _SUFFIXES and not path.name.endswith(_VAE_SUFFIXES) and path.is_file()
        ]
        paths = [*pipelines, *(path for path in files if pipelines.isdisjoint(path.parents))]
        found = [Checkpoint(path, path.relative_to(self.folder).as_posix()) for path in paths]
        for checkpoint in found:
            checkpoint.sha256 = self._hashes.known(checkpoint.hashed_file) if self._hashing else None
        self._checkpoints = sorted(found, key=lambda checkpoint: _natural(checkpoint.name))

    def all(self) -> list[Checkpoint]:
        """Every checkpoint, in the order of the stock webui's list."""
        return list(self._checkpoints)

    def listing(self) -> list[dict[str, Any]]:
        """The body of GET /sd-models."""
        return [checkpoint.listing() for checkpoint in self._checkpoints]

    def named(self, name: Any) -> Checkpoint | None:
        """The checkpoint of this exact name, title or hash. Raises TypeError for a list, as stock does."""
        by_alias: dict[Any, Checkpoint] = {}
        for checkpoint in self._checkpoints:
            for alias in checkpoint.aliases():
                by_alias.setdefault(alias, checkpoint)
        return by_alias.get(name)

    def closest(self, name: str) -> Checkpoint | None:
        """The checkpoint of this name, or else the one with the shortest title that has it somewhere."""
        found = [one for one in self._checkpoints if name.lower() in one.title.lower()]
        return self.named(name) or min(found, key=lambda one: len(one.title), default=None)

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
            checkpoint.sha256 = self._hashes.sha256(checkpoint.hashed_file)


def _suffix(path: Path) -> str:
    """Of a file that is a checkpoint; a folder's name may have points in it."""
    return path.suffix if path.suffix in _SUFFIXES else ""


def _natural(name: str) -> list[Any]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name.lower())]
