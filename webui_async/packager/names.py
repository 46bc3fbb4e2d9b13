"""Names that S3 or the webui cannot take, and files that the webui would give one name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from webui_async.model_files.families import ModelType
from webui_async.model_files.folders import CHECKPOINTS, CONTROLNETS, LORAS
from webui_async.packager.members import Member
from webui_async.packager.report import Remark, Verdict, printable

#: S3 takes keys of 1,024 bytes; what is left over is for `packs/NAME/VERSION/` before the path.
MAX_PATH_BYTES = 900
#: folder -> characters that no payload could say in a name, and why.
_UNSAYABLE = {
    LORAS: ("<>:=", "the prompt's <lora:NAME:WEIGHT> cannot say it"),
    CHECKPOINTS: ("[]", "the webui puts a hash in brackets behind the name"),
    CONTROLNETS: ("[]", "the webui puts a hash in brackets behind the name"),
}


def check_names(members: Sequence[Member]) -> Iterator[Remark]:
    """A remark for each name that would be refused or could not be asked for."""
    for member in members:
        fault = _fault_of_path(member.path) or (_fault_of_name(member) if member.type else None)
        if fault:
            yield Remark(member.path, Verdict.REFUSED, fault)


def check_duplicates(members: Sequence[Member]) -> Iterator[Remark]:
    """A remark for each file that has the webui's name of another, or could be taken for it."""
    known: dict[tuple[str, str], str] = {}
    stems: dict[tuple[str, str], str] = {}
    aliases: dict[str, str] = {}
    for member in (member for member in members if member.type):
        kind, name = _webui_name(member)
        other = known.setdefault((kind, name), member.path)
        twin = stems.setdefault((kind, PurePosixPath(member.path).name), member.path)
        namesake = aliases.setdefault(member.alias, member.path) if member.alias else member.path
        if other != member.path:
            told = f"is called {name!r} in the webui, and so is {other}, which hides it: rename one of them"
            yield Remark(member.path, Verdict.REFUSED, told)
        elif twin != member.path:
            told = f"has the file name of {twin}: name it with its folder, or rename it"
            yield Remark(member.path, Verdict.WARNING, told)
        if namesake != member.path:
            told = (
                f"calls itself {member.alias!r} in its metadata, and so does {namesake}: use the file's name"
            )
            yield Remark(member.path, Verdict.WARNING, told)


def _fault_of_path(path: str) -> str | None:
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return "has a name that is not UTF-8: rename it"
    if size > MAX_PATH_BYTES:
        return f"has a path of {size:,} bytes: S3 takes {MAX_PATH_BYTES} behind the pack's own prefix"
    odd = [letter for letter in path if not letter.isprintable()]
    return f"has the character {printable(odd[0])} in its name: rename it" if odd else None


def _fault_of_name(member: Member) -> str | None:
    unsayable, why = _UNSAYABLE.get(member.folder, ("", ""))
    odd = next((letter for letter in PurePosixPath(member.path).stem if letter in unsayable), None)
    return f"has {odd!r} in its name, and {why}: rename it" if odd else None


def _webui_name(member: Member) -> tuple[str, str]:
    """What the webui calls a file, among those of its kind.

    Sources: its CheckpointInfo.model_name, sd_vae.get_filename, NetworkOnDisk, the ControlNet extension's
    global_state.py: a checkpoint keeps its sub-folder, a VAE its ending, everything else neither.
    """
    place = PurePosixPath(member.path)
    if member.type is ModelType.VAE:
        return ModelType.VAE, place.name
    if member.folder == CHECKPOINTS:
        return CHECKPOINTS, "_".join(place.with_suffix("").parts[1:])
    return member.folder, place.stem
