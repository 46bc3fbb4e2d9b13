"""The model files that the engine sees: links to what is good in the model pack, and to what was fetched.

The webui looks in `{data_dir}/models` and `{data_dir}/embeddings`. It never sees the pack itself, so a file
that is cut, in the wrong folder or able to run code cannot harm it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from serve.data_dir import DataDir
from serve.model_pack import open_pack, read_manifest
from webui_async.contract.catalog import Facts
from webui_async.contract.errors import FamilyMismatch
from webui_async.contract.fields import Names
from webui_async.contract.manifest import ManifestFile
from webui_async.contract.settings import ServeSettings
from webui_async.model_files.families import Family, Recognised
from webui_async.model_files.folders import CHECKPOINTS, CONTROLNETS, FOLDERS, LORAS
from webui_async.model_files.pack import YAML, PackFile, check_weights

_EMBEDDINGS = "embeddings"
_ALIAS = "ss_output_name"  # the webui's other name of a LoRA, in its metadata


@dataclass(frozen=True)
class _Seen:
    """One file that the engine sees."""

    path: Path  #: where it lies
    names: frozenset[str] = frozenset()  #: all that the webui knows weights by
    family: Family | None = None
    facts: Facts | None = None

    @classmethod
    def of(
        cls, folder: str, name: str, path: Path, metadata: Mapping[str, str], recognised: Recognised
    ) -> _Seen:
        return cls(path.absolute(), frozenset(_names_of(folder, name, metadata)), recognised.family)


_Key = tuple[str, str]  # folder, and the file's name below it


class ModelTree:
    """The engine's model folders. Its methods may be called from any thread."""

    def __init__(self, settings: ServeSettings):
        self._pack_root = Path(settings.model_dir)
        self._data_dir = DataDir(settings)
        self._lock = threading.Lock()
        self._packed: dict[_Key, _Seen] = {}
        self._fetched: dict[_Key, _Seen] = {}

    def build(self) -> None:
        """Every good file is where the engine looks, and nothing else of ours. Call it before each start.

        Logs a line for each file that is not used. Raises BadModelPack when there is nothing to draw with,
        EngineBroken when the links cannot be made.
        """
        pack = open_pack(self._pack_root, self._data_dir.uid)
        noted = read_manifest(self._pack_root)
        with self._lock, self._data_dir.laying_out():
            self._packed = {(file.folder, file.name): _seen(file, noted) for file in pack.files}
            files = self._fetched | self._packed
            for folder in FOLDERS:
                self._data_dir.make_folder(_place(folder))
            self._remove_all_but({_place(folder, name) for folder, name in files})
            for (folder, name), file in files.items():
                self._data_dir.link(_place(folder, name), file.path)
            for checkpoint in pack.checkpoints:
                if checkpoint.yaml is not None:
                    self._write_yaml(checkpoint)

    def place(self, folder: str, path: Path) -> None:
        """The engine sees the fetched file in `folder`, under its own name, until `remove`.

        A file of the pack's that has this name stays in its place.
        Raises ModelFileError when it is not whole or not for that folder, OSError when it cannot be linked.
        """
        header, recognised = check_weights(path, folder)
        key = (folder, path.name)
        with self._lock:
            if key not in self._packed:
                seen = _Seen.of(folder, path.name, path, header.metadata, recognised)
                self._data_dir.link(_place(folder, path.name), seen.path)
                self._fetched[key] = replace(seen, facts=Facts(seen.family, on_demand=True))

    def remove(self, folder: str, name: str) -> None:
        """The engine does not see the fetched file any more; the file itself is left alone.

        Raises OSError when its link stays; it is gone with the next start at the latest.
        """
        with self._lock:
            if self._fetched.pop((folder, name), None) is not None:
                self._data_dir.remove(_place(folder, name))

    def family_of(self, folder: str, name: str) -> Family | None:
        """The family of a file, by any name that the webui has for it; None when nothing tells.

        name: with or without its ending, its sub-folder or its hash: `ink`, `ink.safetensors [0a1b2c3d4e]`.
        """
        file = self._find(folder, name)
        return file.family if file else None

    def facts_of(self, folder: str, name: str) -> Facts | None:
        """What is known of a file, by any name that the webui has for it; None when it is none of these."""
        file = self._find(folder, name)
        return file.facts if file else None

    def _find(self, folder: str, name: str) -> _Seen | None:
        names = {name, name.partition(" [")[0]}
        with self._lock:
            files = self._fetched | self._packed
        meant = (file for (place, _), file in files.items() if place == folder and file.names & names)
        return next(meant, None)

    def _write_yaml(self, file: PackFile) -> None:
        """The yaml beside a checkpoint as it was checked, with the place of its text encoder's folder.

        The stock webui looks for that folder from where it was started, and not from the yaml's.
        """
        place = Path(_place(file.folder, file.name)).with_suffix(YAML)
        for params in _conditioners(file.yaml):
            version = params.get("version")
            if isinstance(version, str) and (file.path.parent / version).is_dir():
                params["version"] = str(self._data_dir.root / place.parent / version)
        self._data_dir.write(str(place), yaml.safe_dump(file.yaml, sort_keys=False).encode())

    def _remove_all_but(self, wanted: set[str]) -> None:
        """Links of an earlier start are gone, and every yaml: the webui would run what it names."""
        for folder in ("models", _EMBEDDINGS):
            for name in self._data_dir.entries(folder):
                if name not in wanted and (self._data_dir.is_link(name) or name.endswith(YAML)):
                    self._data_dir.remove(name)


def check_families(
    names: Names, checkpoint: str | None, family_of: Callable[[str, str], Family | None]
) -> None:
    """Nothing when every LoRA and ControlNet model fits the checkpoint, or nobody knows better.

    checkpoint: the one that will draw, by any of its names; family_of: a ModelTree's.
    Raises FamilyMismatch.
    """
    drawn_with = family_of(CHECKPOINTS, checkpoint) if checkpoint else None
    if checkpoint is None or drawn_with is None:
        return
    for folder, named in ((LORAS, names.loras), (CONTROLNETS, names.controlnet_models)):
        for field, name in named:
            family = family_of(folder, name)
            if family is not None and family is not drawn_with:
                raise FamilyMismatch(field, str(FOLDERS[folder]), name, family, checkpoint, drawn_with)


def _place(folder: str, name: str = "") -> str:
    """Where the webui looks, below its data folder. Source: its modules/shared_cmd_options and paths."""
    return str(Path(folder if folder == _EMBEDDINGS else f"models/{folder}", name))


def _seen(file: PackFile, noted: Mapping[str, ManifestFile]) -> _Seen:
    if file.recognised is None:
        return _Seen(file.path.absolute())
    seen = _Seen.of(file.folder, file.name, file.path, file.metadata, file.recognised)
    told = noted.get(f"{file.folder}/{file.name}")
    facts = Facts(seen.family, told.hash, told.sha256) if told else Facts(seen.family)
    return replace(seen, facts=facts)


def _names_of(folder: str, name: str, metadata: Mapping[str, str]) -> Iterator[str]:
    """Every name that a payload may have for a file. Source: the webui's CheckpointInfo, NetworkOnDisk."""
    without_ending = str(Path(name).with_suffix(""))
    yield from (name, without_ending, without_ending.replace("/", "_"), Path(name).name, Path(name).stem)
    if folder == LORAS and _ALIAS in metadata:
        yield metadata[_ALIAS]


def _conditioners(document: Any) -> Iterator[dict[str, Any]]:
    """The `params` of every text encoder in a checked document."""
    if isinstance(document, dict):
        if "encoders.modules." in str(document.get("target")) and isinstance(document.get("params"), dict):
            yield document["params"]
        for value in document.values():
            yield from _conditioners(value)
    elif isinstance(document, list):
        for value in document:
            yield from _conditioners(value)
