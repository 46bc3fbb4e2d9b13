"""Single model files under `models/`, which endpoints fetch for the jobs that name them: no redeploy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webui_async.contract import keys
from webui_async.contract.catalog import Facts
from webui_async.contract.errors import ModelFileError, NameTaken, UnknownModel, shown
from webui_async.model_files.families import recognise
from webui_async.model_files.folders import folder_for, right_name
from webui_async.model_files.headers import read_header
from webui_async.model_files.on_demand import (
    ON_DEMAND_FOLDERS,
    WEIGHTS,
    ModelObject,
    model_at,
    with_models,
    without_model,
)
from webui_async.model_files.pack import PICKLES, PackFile, check_weights
from webui_async.packager.catalogs import change_catalogs
from webui_async.packager.check import member_of
from webui_async.packager.hashes import hash_members
from webui_async.packager.members import Member
from webui_async.packager.multipart import Uploader
from webui_async.packager.names import check_names
from webui_async.packager.places import check_bucket
from webui_async.packager.plain_files import send_file
from webui_async.packager.progress import Progress
from webui_async.packager.s3_errors import told
from webui_async.packager.s3_object import SHA256
from webui_async.store import Head, Store

#: What the metadata of a model's object says of it beside its hash.
NOTES = ("type", "family", "precision")


@dataclass(frozen=True)
class Added:
    """A model file that is in the bucket."""

    uri: str
    member: Member
    was_there: bool  #: with the very same bytes


def add_models(
    files: Sequence[Path],
    store: Store,
    *,
    folder: str | None = None,
    replace: bool = False,
    progress: Progress | None = None,
) -> tuple[list[Added], list[str]]:
    """The files under `models/`, and the endpoints whose catalogs were extended by them.

    folder: where they belong; None recognises it by their tensors. replace: what has such a name goes.
    Every file is looked at before the first byte is sent.
    Raises ModelFileError, NameTaken, FileChanged and StoreError.
    """
    progress = progress or Progress()
    members = [read_model(file, folder) for file in files]
    _check_twins(members)
    check_bucket(store)
    progress.start("hashing", sum(member.size_bytes for member in members))
    members = hash_members(members, progress.done)
    held = {member.path: _held(store, member, replace) for member in members}
    missing = [member for member in members if not held[member.path]]
    progress.start("sending", sum(member.size_bytes for member in missing))
    largest = max((member.size_bytes for member in missing), default=0)
    with Uploader(store, largest, progress) as uploader:
        for member in missing:
            send_file(uploader, _key(member), member, _metadata(member), is_new=not replace)
    models = [_model(member) for member in members]

    def extend(catalog: dict[str, Any]) -> dict[str, Any]:
        for model in models if replace else ():
            catalog = without_model(catalog, model)
        return with_models(catalog, models)

    added = [Added(store.uri(_key(member)), member, held[member.path]) for member in members]
    return added, change_catalogs(store, extend)


def remove_model(name: str, store: Store) -> tuple[ModelObject, list[str]]:
    """The model that is not in the bucket any more, and the endpoints whose catalogs had it.

    name: of the file, with or without its folder and its ending. Raises UnknownModel and StoreError.
    """
    check_bucket(store)
    with told(store.uri(keys.MODELS)):
        found = [model_at(entry.key, entry.size, entry.modified) for entry in store.list(keys.MODELS)]
    models = [model for model in found if model]
    called = [model for model in models if name in _names(model)]
    if len(called) != 1:
        raise UnknownModel(_told_unknown(name, called or models, bool(called)))
    (model,) = called
    # First nobody can ask for it any more, then it is gone.
    endpoints = change_catalogs(store, lambda catalog: without_model(catalog, model))
    with told(store.uri(model.key)):
        store.delete(model.key)
    # A container may have listed the bucket in between, and its catalog has the model again.
    change_catalogs(store, lambda catalog: without_model(catalog, model))
    return model, endpoints


def read_model(file: Path, folder: str | None) -> Member:
    """One file as a member of models/. Raises ModelFileError when it is none that endpoints would fetch."""
    if file.suffix.lower() in PICKLES:
        from webui_async.packager.pickles import fault_of_pickle  # the scanner is slow to import

        raise ModelFileError(file.name, fault_of_pickle(file))
    if file.suffix != WEIGHTS:
        reason = "can run code" if file.suffix in (".yaml", ".yml") else "is no model file"
        raise ModelFileError(file.name, f"{reason}: only {WEIGHTS} files are fetched on demand")
    place = _folder(file) if folder is None else folder
    if place not in ON_DEMAND_FOLDERS:
        meant = f"; did you mean {right_name(place)}?" if right_name(place) in ON_DEMAND_FOLDERS else ""
        raise ModelFileError(
            file.name,
            f"would be put into {shown(place)}, and endpoints fetch from {', '.join(ON_DEMAND_FOLDERS)} "
            f"only{meant or ': put it into a model pack'}",
        )
    header, found = check_weights(file, place)
    member = member_of(PackFile(place, file.name, file, found, header.metadata))
    for remark in check_names([member]):
        raise ModelFileError(file.name, remark.reason)
    if model_at(_key(member), member.size_bytes, 0) is None:
        raise ModelFileError(
            file.name, "has a name that endpoints do not fetch: make it shorter, without a dot first"
        )
    return member


def _folder(file: Path) -> str:
    found = recognise(read_header(file)).type
    if found is None:
        raise ModelFileError(
            file.name,
            f"does not tell by its tensors what it is: say --folder {' or '.join(ON_DEMAND_FOLDERS)}",
        )
    return folder_for(found)


def _check_twins(members: Sequence[Member]) -> None:
    paths = [member.path for member in members]
    for path in paths:
        if paths.count(path) > 1:
            raise NameTaken(f"two of the files would be {keys.MODELS}{path}: rename one of them")


def _key(member: Member) -> str:
    return f"{keys.MODELS}{member.path}"


def _metadata(member: Member) -> dict[str, str]:
    noted = {name: str(getattr(member, name)) for name in NOTES if getattr(member, name)}
    known_by = {"hash": member.short_hash} if member.short_hash else {}
    return {SHA256: member.sha256 or ""} | noted | known_by


def _model(member: Member) -> ModelObject:
    folder, _, name = member.path.partition("/")
    facts = Facts(member.family, member.short_hash, member.sha256, on_demand=True)
    return ModelObject(folder, name, member.size_bytes, 0, facts=facts)


def _held(store: Store, member: Member, replace: bool) -> bool:
    """Whether the bucket has this very file. Raises NameTaken when it has another one of that name."""
    uri = store.uri(_key(member))
    with told(uri):
        head: Head | None = store.head(_key(member))
    if head is None or replace:
        return head is not None and head.metadata.get(SHA256) == member.sha256
    if head.metadata.get(SHA256) != member.sha256:
        raise NameTaken(
            f"{uri} is there already and is another file: rename yours, or replace that one with --replace"
        )
    return True


def _names(model: ModelObject) -> set[str]:
    return {
        f"{place}{name}"
        for place in ("", f"{model.folder}/", f"{keys.MODELS}{model.folder}/")
        for name in (model.file_name, model.stem)
    }


def _told_unknown(name: str, models: Sequence[ModelObject], is_ambiguous: bool) -> str:
    places = sorted(f"{model.folder}/{model.file_name}" for model in models)
    listed = ", ".join(places[:20]) + (f" and {len(places) - 20} more" if len(places) > 20 else "")
    if is_ambiguous:
        return f"{shown(name)} could be {listed}: say it with its folder"
    return f"no model {shown(name)} under {keys.MODELS}; there are {listed or 'none'}"
