"""A model pack as it lies on disk: which of its files can be used, and why the others cannot.

The engine sees nothing but the good files, so one bad download costs itself and not the whole endpoint: a
checkpoint that is cut spoils the running webui for every other one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from webui_async.contract.errors import ModelFileError
from webui_async.model_files.families import ModelType, Recognised, recognise
from webui_async.model_files.folders import CHECKPOINTS, FOLDERS, folder_for, right_name
from webui_async.model_files.headers import Header, read_header
from webui_async.model_files.yaml_targets import check_yaml

WEIGHTS = ".safetensors"
PICKLES = (".ckpt", ".pt", ".pth", ".bin", ".pkl")
YAML = ".yaml"
#: Harmless things that people, UIs and text encoders keep beside weights: notes, previews, vocabularies.
SIDE_FILES = (".json", ".info", ".txt", ".png", ".jpg", ".jpeg", ".webp")
#: Passed over without a word.
NOTES = (".md", "")
_VAE_ENDING = ".vae.safetensors"
_PICKLE = "is a pickle, which can run code when it is loaded: convert it to safetensors"


@dataclass(frozen=True)
class PackFile:
    """One file that the engine may see."""

    folder: str  #: one of FOLDERS
    name: str  #: below the folder, with its sub-folders
    path: Path
    recognised: Recognised | None = None  #: of weights
    metadata: Mapping[str, str] = field(default_factory=dict)  #: what a trainer noted in weights
    yaml: dict[str, Any] | None = None  #: the checked document beside a checkpoint


@dataclass
class Pack:
    """What a pack holds."""

    root: Path
    files: list[PackFile] = field(default_factory=list)
    refused: list[ModelFileError] = field(default_factory=list)  #: each with the file's place in the pack
    misnamed: dict[str, str] = field(default_factory=dict)  #: folder as it is called -> as it must be

    @property
    def checkpoints(self) -> list[PackFile]:
        """What can be drawn with."""
        return [file for file in self.files if file.folder == CHECKPOINTS and is_checkpoint(file.name)]

    def refused_in(self, folder: str) -> list[ModelFileError]:
        return [error for error in self.refused if error.name.startswith(f"{folder}/")]


def read_pack(root: Path) -> Pack:
    """What the tree at `root` holds. Reads headers only; a root that is not there is an empty pack."""
    pack = Pack(root)
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        if folder.name in FOLDERS and folder.is_dir():
            _read_folder(pack, folder)
        elif folder.is_dir() and (right := right_name(folder.name)):
            pack.misnamed[folder.name] = right
        elif folder.suffix in (WEIGHTS, *PICKLES):
            pack.refused.append(ModelFileError(folder.name, "lies outside every folder: put it into one"))
    return pack


def is_checkpoint(name: str) -> bool:
    """Whether a file of Stable-diffusion/ is drawn with: the VAE of a checkpoint may lie beside it."""
    return name.endswith(WEIGHTS) and not name.endswith(_VAE_ENDING)


def check_weights(path: Path, folder: str) -> tuple[Header, Recognised]:
    """What the file is. Raises ModelFileError when it is not whole, or belongs into another folder."""
    header = read_header(path)
    found = recognise(header)
    is_own_vae = folder == CHECKPOINTS and found.type is ModelType.VAE and path.name.endswith(_VAE_ENDING)
    if found.type is not None and FOLDERS[folder] not in (None, found.type) and not is_own_vae:
        article = "an" if found.type in (ModelType.EMBEDDING, ModelType.UPSCALER) else "a"
        right = folder_for(found.type)
        raise ModelFileError(
            path.name, f"is {article} {found.type} and no {FOLDERS[folder]}: move it to {right}/"
        )
    return header, found


def _read_folder(pack: Pack, folder: Path) -> None:
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        try:
            file = _read_file(pack.root, folder.name, name, path)
        except ModelFileError as error:
            pack.refused.append(ModelFileError(f"{folder.name}/{name}", error.reason))
        else:
            pack.files += [file] if file else []


def _files(folder: Path) -> Iterator[Path]:
    """Every file and link below, in order, without what is hidden. Links to folders are not entered."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if Path(place, name).is_symlink()]
        yield from (Path(place, name) for name in sorted(names + links) if not name.startswith("."))


def _read_file(root: Path, folder: str, name: str, path: Path) -> PackFile | None:
    """The file, None when it is nothing to the engine. Raises ModelFileError when it may not be used."""
    suffix = path.suffix.lower()
    if suffix == YAML and _has_checkpoint(folder, path):
        return None  # it is read with its checkpoint
    _check_place(root, path)
    if suffix in NOTES:
        return None
    if suffix in PICKLES:
        raise ModelFileError(path.name, _PICKLE)
    if suffix == YAML:
        raise ModelFileError(path.name, "can run code, so it is used only beside the checkpoint of its name")
    if suffix in SIDE_FILES:
        return PackFile(folder, name, path)
    if path.suffix != WEIGHTS:
        raise ModelFileError(
            path.name, f"is no model file: {path.suffix} is not one of {WEIGHTS} and side files"
        )
    header, found = check_weights(path, folder)
    beside = path.with_suffix(YAML)
    if folder != CHECKPOINTS or not is_checkpoint(name) or not os.path.lexists(beside):
        return PackFile(folder, name, path, found, header.metadata)
    try:
        _check_place(root, beside)
        return PackFile(folder, name, path, found, header.metadata, check_yaml(beside))
    except ModelFileError as error:
        raise ModelFileError(path.name, f"has a {beside.name} beside it that {error.reason}") from error


def _has_checkpoint(folder: str, path: Path) -> bool:
    return folder == CHECKPOINTS and os.path.exists(path.with_suffix(WEIGHTS))


def _check_place(root: Path, path: Path) -> None:
    """Raises ModelFileError for what is no file of the pack's own."""
    if not path.name.isprintable():
        raise ModelFileError(path.name, "has signs in its name that cannot be shown: rename it")
    try:
        is_inside = path.resolve().is_relative_to(root.resolve())
    except RuntimeError as error:  # what pathlib raises for links in a circle
        raise ModelFileError(
            path.name, "is a link that leads back to itself: put the file itself there"
        ) from error
    if not is_inside:
        raise ModelFileError(path.name, "is a link out of the pack: put the file itself there")
    if not _is_regular(path):
        raise ModelFileError(path.name, "is no regular file")


def _is_regular(path: Path) -> bool:
    """False also for a link that leads nowhere, or cannot be followed at all."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False
