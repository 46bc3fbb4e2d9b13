"""A member: one file of a pack, where it lies and what is known of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from webui_async.contract.errors import FileChanged, ModelFileError
from webui_async.contract.manifest import Manifest, ManifestFile
from webui_async.model_files.families import ModelType


@dataclass(frozen=True)
class Stamp:
    """What is another one when a file was written to or replaced."""

    size_bytes: int
    modified_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


@dataclass(frozen=True)
class Member:
    """One file of a pack."""

    path: str  #: its place in the pack, with `/`
    source: Path  #: where it lies on this machine
    stamp: Stamp  #: of the file that was checked
    type: ModelType | None = None  #: None for what lies beside weights
    family: str | None = None
    precision: str | None = None
    #: Of LoRAs: what the trainer noted, the hash and another name; the webui takes over both.
    noted_hash: str | None = None
    alias: str | None = None
    sha256: str | None = None  #: of the whole file, once hashed
    short_hash: str | None = None  #: as the webui shows it, once hashed

    @property
    def size_bytes(self) -> int:
        return self.stamp.size_bytes

    @property
    def folder(self) -> str:
        return self.path.partition("/")[0]


@contextlib.contextmanager
def open_unchanged(member: Member) -> Iterator[FileIO]:
    """The member's file, unbuffered.

    Raises FileChanged when it is not the file that was checked, or has become another one by the end;
    ModelFileError when it cannot be opened.
    """
    with reading(member):
        file = member.source.open("rb", buffering=0)
    with file:
        _check_unchanged(member, file)
        yield file
        _check_unchanged(member, file)


@contextlib.contextmanager
def reading(member: Member) -> Iterator[None]:
    """What the operating system says about the member's file becomes an error of ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileChanged(member.path, "is not there any more") from error
    except OSError as error:
        raise ModelFileError(member.path, f"cannot be read: {error.strerror or error}") from error


def ended_early(member: Member) -> FileChanged:
    """What to raise when the file gives less than it was long."""
    return FileChanged(member.path, f"was {member.size_bytes:,} bytes and ends before that now")


def _check_unchanged(member: Member, file: FileIO) -> None:
    with reading(member):
        stamps = {Stamp.of(os.fstat(file.fileno())), Stamp.of(member.source.stat())}
    for now in stamps - {member.stamp}:
        if now.size_bytes != member.size_bytes:
            raise FileChanged(member.path, f"was {member.size_bytes:,} bytes and is {now.size_bytes:,} now")
        raise FileChanged(member.path, "was written to or replaced since it was checked")


def manifest_of(members: Sequence[Member], form: str, created_at: float | None = None) -> Manifest:
    """The manifest of hashed members, in any order."""
    ordered = sorted(members, key=lambda member: member.path)
    return Manifest(form, tuple(_file_of(member) for member in ordered), created_at)


def _file_of(member: Member) -> ManifestFile:
    if member.sha256 is None:
        raise ValueError(f"{member.path} is not hashed yet")
    return ManifestFile(
        path=member.path,
        size_bytes=member.size_bytes,
        sha256=member.sha256,
        type=member.type,
        family=member.family,
        precision=member.precision,
        hash=member.short_hash,
    )
