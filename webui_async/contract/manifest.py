"""`manifest.json`: what a model pack holds. It is the last thing written, so a pack that has one is whole."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from webui_async.contract.errors import BadManifest, shown
from webui_async.contract.times import to_epoch, to_iso

NAME = "manifest.json"
#: How the files lie: each as an object under the pack's prefix, or all in one archive.
PREFIX, ARCHIVE = "prefix", "tar.gz"
FORMS = (PREFIX, ARCHIVE)
#: Changes when a reader of today could not read what is written.
FORMAT = 1

_SHA256 = re.compile(r"[0-9a-f]{64}")
_FIELDS = ("format", "form", "version", "files", "created_at")
_NOTES = ("type", "family", "precision", "hash")


@dataclass(frozen=True)
class ManifestFile:
    """One file of a pack."""

    path: str  #: below the pack, with `/`
    size_bytes: int
    sha256: str  #: of the whole file
    type: str | None = None  #: checkpoint, LoRA, …; None for what lies beside weights
    family: str | None = None  #: SD1, SD2, SDXL, SD3, Flux; None when nothing tells
    precision: str | None = None  #: fp32, fp16, bf16, fp8, mixed
    hash: str | None = None  #: as the webui shows it


@dataclass(frozen=True)
class Manifest:
    """A whole pack."""

    form: str
    files: tuple[ManifestFile, ...]  #: sorted by path
    #: Seconds since 1970. None inside an archive: the same files give the same archive, byte for byte.
    created_at: float | None = None

    @property
    def version(self) -> str:
        """The address of the content: the same for the same files, whenever and in whichever form."""
        return version_of(self.files)

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "form": self.form,
            "version": self.version,
            "created_at": None if self.created_at is None else to_iso(self.created_at),
            "files": [asdict(file) for file in self.files],
        }

    def to_bytes(self) -> bytes:
        return (json.dumps(self.to_json(), indent=1) + "\n").encode()

    @classmethod
    def from_bytes(cls, text: bytes) -> Manifest:
        """Raises BadManifest, which names the field and its value."""
        try:
            return cls.from_json(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise BadManifest(f"{NAME} is no JSON: {str(error)[:200]}. Push the pack again") from error

    @classmethod
    def from_json(cls, document: object) -> Manifest:
        """Raises BadManifest, which names the field and its value."""
        fields = _object(document, NAME, _FIELDS)
        number = fields["format"]
        _demand(type(number) is int and number == FORMAT, "format", number, f"this release reads {FORMAT}")
        _demand(fields["form"] in FORMS, "form", fields["form"], f"it must be one of {', '.join(FORMS)}")
        _demand(isinstance(fields["files"], list), "files", fields["files"], "it must be a list")
        files = tuple(_file(entry, f"files[{number}]") for number, entry in enumerate(fields["files"]))
        paths = [file.path for file in files]
        _demand(paths == sorted(set(paths)), "files", paths, "each path must be there once, in order")
        manifest = cls(fields["form"], files, _moment(fields["created_at"]))
        rule = f"its files make {manifest.version}"
        _demand(fields["version"] == manifest.version, "version", fields["version"], rule)
        return manifest


def version_of(files: Iterable[ManifestFile]) -> str:
    """The first 12 hex digits of the SHA-256 over what `sha256sum` prints for the files, sorted by path."""
    lines = (f"{file.sha256}  {file.path}\n" for file in sorted(files, key=lambda file: file.path))
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:12]


def _file(entry: object, place: str) -> ManifestFile:
    fields = _object(entry, place, tuple(ManifestFile.__dataclass_fields__))
    path, size, digest = fields["path"], fields["size_bytes"], fields["sha256"]
    is_place = isinstance(path, str) and all(part not in ("", ".", "..") for part in path.split("/"))
    _demand(is_place, f"{place}.path", path, "it must be a place below the pack")
    is_size = type(size) is int and size >= 0
    _demand(is_size, f"{place}.size_bytes", size, "it must be a whole number, 0 or more")
    is_digest = isinstance(digest, str) and _SHA256.fullmatch(digest) is not None
    _demand(is_digest, f"{place}.sha256", digest, "it must be 64 hex digits")
    for name in _NOTES:
        is_text = fields[name] is None or isinstance(fields[name], str)
        _demand(is_text, f"{place}.{name}", fields[name], "it must be a text or null")
    return ManifestFile(**fields)


def _object(document: object, place: str, fields: tuple[str, ...]) -> Mapping[str, Any]:
    _demand(isinstance(document, dict), place, document, "it must be an object")
    assert isinstance(document, dict)
    rule = f"it must have the fields {', '.join(fields)} and no others"
    _demand(set(document) == set(fields), place, sorted(map(str, document)), rule)
    return document


def _moment(value: object) -> float | None:
    if value is None:
        return None
    try:
        return to_epoch(str(value))
    except ValueError as error:
        raise BadManifest(_told("created_at", value, "it must be an ISO 8601 time or null")) from error


def _demand(is_good: bool, place: str, value: object, rule: str) -> None:
    if not is_good:
        raise BadManifest(_told(place, value, rule))


def _told(place: str, value: object, rule: str) -> str:
    where = NAME if place == NAME else f"{NAME}: {place}"
    return f"{where} is {shown(value)}; {rule}. Push the pack again"
