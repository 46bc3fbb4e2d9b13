"""What a bucket holds: model packs with their versions, and the models that are fetched on demand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from webui_async.contract import keys, manifest
from webui_async.contract.times import to_iso
from webui_async.model_files.on_demand import ModelObject, model_at
from webui_async.packager.places import ARCHIVE_NAME
from webui_async.packager.report import printable, readable_size
from webui_async.packager.s3_errors import told
from webui_async.packager.s3_object import SHA256
from webui_async.store import Entry, Store

_LOOK_UPS_AT_A_TIME = 8


@dataclass(frozen=True)
class PackVersion:
    """One version of a pack."""

    name: str
    version: str  #: as its place has it
    form: str
    size_bytes: int
    files: int  #: objects, without the manifest
    finished: (
        float | None
    )  #: when its manifest was written, seconds since 1970; None for one that is not whole

    @property
    def key(self) -> str:
        """What an endpoint is given, behind the bucket."""
        prefix = keys.pack(self.name, self.version)
        return prefix + ARCHIVE_NAME if self.form == manifest.ARCHIVE else prefix


@dataclass(frozen=True)
class ListedModel:
    """A model that is fetched on demand, and what its object says of it."""

    model: ModelObject
    notes: Mapping[str, str]  #: sha256, type, family, precision, as far as they are known


def list_packs(store: Store) -> list[PackVersion]:
    """Every version of every pack, by name, newest first. Raises StoreError."""
    versions: dict[tuple[str, str], dict[str, Entry]] = {}
    with told(store.uri(keys.PACKS)):
        for entry in store.list(keys.PACKS):
            name, _, rest = entry.key.removeprefix(keys.PACKS).partition("/")
            version, _, path = rest.partition("/")
            if path:
                versions.setdefault((name, version), {})[path] = entry
    packs = [_pack(name, version, held) for (name, version), held in versions.items()]
    return sorted(packs, key=lambda pack: (pack.name, -(pack.finished or 0)))


def list_models(store: Store) -> list[ListedModel]:
    """Every model under `models/` that an endpoint would fetch, by key. Raises StoreError."""

    def look_up(model: ModelObject) -> ListedModel:
        with told(store.uri(model.key)):
            head = store.head(model.key)
        return ListedModel(model, head.metadata if head else {})

    with told(store.uri(keys.MODELS)):
        found = [model_at(entry.key, entry.size, entry.modified) for entry in store.list(keys.MODELS)]
    with ThreadPoolExecutor(_LOOK_UPS_AT_A_TIME, thread_name_prefix="look-up") as pool:
        return list(pool.map(look_up, (model for model in found if model)))


def packs_table(packs: Sequence[PackVersion], store: Store) -> str:
    """One line for each version, with the place that an endpoint is given."""
    rows = [("pack", "version", "form", "size", "files", "finished", "place")]
    for pack in packs:
        finished = "unfinished" if pack.finished is None else to_iso(pack.finished)
        size = readable_size(pack.size_bytes)
        rows.append(
            (pack.name, pack.version, pack.form, size, str(pack.files), finished, store.uri(pack.key))
        )
    return _aligned(rows)


def models_table(models: Sequence[ListedModel]) -> str:
    """One line for each model. Without a sha256 an endpoint refuses it."""
    rows = [("on demand", "type", "family", "precision", "size", "sha256")]
    for listed in models:
        model, notes = listed.model, listed.notes
        about = [notes.get(name, "") for name in ("type", "family", "precision")]
        sha256 = notes.get(SHA256) or "none: add it again"
        size = readable_size(model.size_bytes)
        rows.append((f"{model.folder}/{model.file_name}", about[0], about[1], about[2], size, sha256))
    return _aligned(rows)


def _pack(name: str, version: str, held: dict[str, Entry]) -> PackVersion:
    last = held.pop(manifest.NAME, None)
    form = manifest.ARCHIVE if ARCHIVE_NAME in held else manifest.PREFIX
    size_bytes = sum(entry.size for entry in held.values())
    return PackVersion(name, version, form, size_bytes, len(held), last.modified if last else None)


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)
