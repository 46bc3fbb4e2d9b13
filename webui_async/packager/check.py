"""Whether a folder can become a model pack. What is good here is what an endpoint uses: both read one text.

Only headers are read, so a hundred files take a moment; hashes are made where they are asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from webui_async.contract.errors import ModelFileError, PackRefused
from webui_async.contract.manifest import NAME as MANIFEST
from webui_async.model_files.families import ModelType, recognise
from webui_async.model_files.folders import CHECKPOINTS, CONTROLNETS, FOLDERS, LORAS, folder_for
from webui_async.model_files.headers import read_header
from webui_async.model_files.pack import (
    NOTES,
    PICKLES,
    SIDE_FILES,
    WEIGHTS,
    YAML,
    Pack,
    PackFile,
    is_checkpoint,
    read_pack,
)
from webui_async.packager.hashes import OnBytes
from webui_async.packager.members import Member, Stamp
from webui_async.packager.names import check_duplicates, check_names
from webui_async.packager.report import Remark, Report, Verdict

_PICKLES_ONLY = ("ESRGAN", "hypernetworks")
_HASH, _ALIAS = "sshs_model_hash", "ss_output_name"  # what trainers note in a LoRA's metadata


def check_tree(root: Path, *, hashes: bool = False, on_bytes: OnBytes | None = None) -> Report:
    """Every file below `root` with its verdict, and with its hashes where they are asked for.

    Raises PackRefused when there is no such folder; FileChanged and ModelFileError while files are hashed.
    """
    if not root.is_dir():
        raise PackRefused(f"{root} is no folder: give one that has {CHECKPOINTS}/ in it")
    pack = read_pack(root)
    members = sorted(_members(pack), key=lambda member: member.path)
    remarks = [
        *_refused(pack),
        *_misnamed(pack),
        *_left_out(pack),
        *_without_checkpoint(pack),
        *check_names(members),
        *check_duplicates(members),
        *_unlisted(members),
        *_misfits(members),
    ]
    report = Report.of(root, members, remarks)
    return report.hashed(on_bytes) if hashes else report


def _members(pack: Pack) -> Iterator[Member]:
    for file in pack.files:
        yield member_of(file)
        if file.yaml is not None:
            beside = file.path.with_suffix(YAML)
            place = f"{file.folder}/{file.name}".removesuffix(WEIGHTS) + YAML
            yield Member(place, beside, Stamp.of(beside.stat()))


def member_of(file: PackFile) -> Member:
    """What is known of one good file, without its hashes."""
    path, stamp = f"{file.folder}/{file.name}", Stamp.of(file.path.stat())
    if file.recognised is None:
        return Member(path, file.path, stamp)
    own_vae = ModelType.VAE if file.folder == CHECKPOINTS and not is_checkpoint(file.name) else None
    alias = file.metadata.get(_ALIAS)
    is_lora = file.folder == LORAS
    return Member(
        path,
        file.path,
        stamp,
        type=file.recognised.type or own_vae or FOLDERS[file.folder],
        family=file.recognised.family,
        precision=file.recognised.precision or None,
        noted_hash=file.metadata.get(_HASH) if is_lora else None,
        alias=alias if is_lora and alias != file.path.stem else None,
    )


def _refused(pack: Pack) -> Iterator[Remark]:
    """What an endpoint would not use. What is no model at all is only left out."""
    for error in pack.refused:
        path = pack.root / error.name
        suffix = path.suffix.lower()
        if suffix in PICKLES and _is_own_file(pack.root, path):
            yield Remark(error.name, Verdict.REFUSED, _fault_of_pickle(path))
        elif suffix == WEIGHTS and path.parent == pack.root:
            yield Remark(error.name, Verdict.REFUSED, _fault_of_place(path) or error.reason)
        elif suffix in (WEIGHTS, *PICKLES, *SIDE_FILES) or path.is_symlink():
            yield Remark(error.name, Verdict.REFUSED, error.reason)
        else:
            yield Remark(error.name, Verdict.IGNORED, f"{error.reason}; it is left out")


def _is_own_file(root: Path, path: Path) -> bool:
    return path.is_file() and path.resolve().is_relative_to(root.resolve())


def _fault_of_pickle(path: Path) -> str:
    from webui_async.packager.pickles import fault_of_pickle  # the scanner is slow to import

    return fault_of_pickle(path)


def _fault_of_place(path: Path) -> str | None:
    """Where weights belong that lie outside every folder, or what else is wrong with them."""
    try:
        found = recognise(read_header(path)).type
    except ModelFileError as error:
        return error.reason
    return (
        f"lies outside every folder: its tensors say {found}, so move it to {folder_for(found)}/"
        if found
        else None
    )


def _misnamed(pack: Pack) -> Iterator[Remark]:
    for name, right in pack.misnamed.items():
        reason = f"is not what the webui calls it, letter for letter: rename it to {right}/"
        if (pack.root / right).is_dir():
            reason = f"is passed over by the webui, which knows {right}/: move what is in it there"
        yield Remark(f"{name}/", Verdict.REFUSED, reason)


def _left_out(pack: Pack) -> Iterator[Remark]:
    """What lies in the tree and is neither used nor refused. Hidden files are not spoken of."""
    told = {error.name for error in pack.refused} | set(pack.misnamed)
    for path in sorted(pack.root.iterdir()):
        if path.name.startswith(".") or path.name in told:
            continue
        if path.name in FOLDERS:
            yield from _notes(pack.root, path)
        elif path.is_dir():
            yield _foreign(path)
        elif path.name != MANIFEST:
            yield Remark(path.name, Verdict.IGNORED, "is no model; it is left out")


def _notes(root: Path, folder: Path) -> Iterator[Remark]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(root).as_posix()
        is_hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if path.suffix.lower() in NOTES and path.is_file() and not is_hidden:
            yield Remark(name, Verdict.IGNORED, "is a note and no model; it is left out")


def _foreign(folder: Path) -> Remark:
    suffixes = (Path(name).suffix.lower() for _, _, names in os.walk(folder) for name in names)
    count = sum(suffix in (WEIGHTS, *PICKLES) for suffix in suffixes)
    if not count:
        return Remark(f"{folder.name}/", Verdict.IGNORED, "is no folder of a pack; it is left out")
    known = ", ".join(f"{name}/" for name in FOLDERS)
    return Remark(f"{folder.name}/", Verdict.WARNING, f"is none of {known}: its {count} models are left out")


def _without_checkpoint(pack: Pack) -> Iterator[Remark]:
    """Nothing can be drawn without one, so an endpoint would not start."""
    place = f"{CHECKPOINTS}/"
    if pack.checkpoints or CHECKPOINTS in pack.misnamed.values():
        return
    if (pack.root / CHECKPOINTS).is_dir():
        yield Remark(place, Verdict.REFUSED, "holds no good checkpoint: an endpoint needs one .safetensors")
        return
    nested = sorted(path.name for path in pack.root.iterdir() if (path / CHECKPOINTS).is_dir())
    instead = f", but {nested[0]}/{place} is: give {pack.root / nested[0]}" if nested else ": make it"
    yield Remark(place, Verdict.REFUSED, f"is not there, and the checkpoints belong there{instead}")


def _unlisted(members: Sequence[Member]) -> Iterator[Remark]:
    """Weights where the stock webui looks for pickles alone.

    Sources: its modules/esrgan_model.py and modules/hypernetworks/hypernetwork.py.
    """
    for member in members:
        if member.folder in _PICKLES_ONLY and member.path.endswith(WEIGHTS):
            reason = f"is passed over by the stock webui, which reads only .pt and .pth in {member.folder}/"
            yield Remark(member.path, Verdict.WARNING, reason)


def _misfits(members: Sequence[Member]) -> Iterator[Remark]:
    """LoRAs and ControlNet models that no checkpoint here is made for.

    Some of them may wait for a checkpoint on demand; where none fits, something was mixed up.
    """
    drawn_with = {member.family for member in members if member.type is ModelType.CHECKPOINT}
    partners = [member for member in members if member.folder in (LORAS, CONTROLNETS) and member.type]
    if not drawn_with or None in drawn_with:
        return
    misfits = [member for member in partners if member.family not in (None, *drawn_with)]
    nothing_fits = len(misfits) == len(partners)
    verdict = Verdict.REFUSED if nothing_fits else Verdict.WARNING
    here = " and ".join(sorted(family for family in drawn_with if family))
    end = ", which nothing here fits: add a checkpoint of its family, or leave it out" if nothing_fits else ""
    for member in misfits:
        reason = f"is made for {member.family}, and the checkpoints here are {here}{end}"
        yield Remark(member.path, verdict, reason)
