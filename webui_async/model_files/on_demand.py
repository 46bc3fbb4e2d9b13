"""Model files under models/ in the bucket: what may lie there, and how a catalog lists it.

The packager puts them there and into the catalogs, the container fetches and lists them: both read one text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from webui_async.contract import keys
from webui_async.contract.catalog import (
    CONTROLNET_ROUTE,
    Facts,
    check_names,
    checkpoint_names,
    facts_of,
    weight_names,
    with_facts,
)
from webui_async.contract.errors import UnknownName
from webui_async.contract.fields import Names
from webui_async.model_files.families import Family
from webui_async.model_files.folders import CHECKPOINTS, CONTROLNETS, LORAS

VAES, EMBEDDINGS = "VAE", "embeddings"
#: Pickles and yaml files run code, so nothing else is ever fetched.
WEIGHTS = ".safetensors"
#: What a payload names -> the folder of `models/` that it may come from.
FOLDER_OF: Mapping[str, str] = {
    "checkpoints": CHECKPOINTS,
    "loras": LORAS,
    "vaes": VAES,
    "controlnet_models": CONTROLNETS,
}
#: The folders of `models/` -> the catalog's list of what is in them.
LIST_OF: Mapping[str, str] = {
    CHECKPOINTS: "sd-models",
    LORAS: "loras",
    VAES: "sd-vae",
    CONTROLNETS: CONTROLNET_ROUTE,
    EMBEDDINGS: "embeddings",
}
ON_DEMAND_FOLDERS = tuple(LIST_OF)
#: Longer names have no room for an ending of ours: a file system takes 255 bytes.
MAX_NAME_BYTES = 200
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HASH = re.compile(r"[0-9a-f]{8,64}")
#: Folders whose files the webui knows by the beginning of their SHA-256; it hashes only a part of the others.
_AUTO_V2 = (CHECKPOINTS, VAES, EMBEDDINGS)
_AUTO_V2_DIGITS = 10
_UNKNOWN = Facts(on_demand=True)


@dataclass(frozen=True)
class ModelObject:
    """A model file in the bucket."""

    folder: str
    file_name: str
    size_bytes: int
    modified: float  #: seconds since 1970
    #: Known to who has fetched it: a webui that has loaded a checkpoint knows it by its hash as well.
    sha256: str | None = None
    facts: Facts = _UNKNOWN

    @property
    def key(self) -> str:
        return keys.model(self.folder, self.file_name)

    @property
    def stem(self) -> str:
        return self.file_name.removesuffix(WEIGHTS)

    @property
    def listed_as(self) -> str:
        """The name that the webui's lists have for it."""
        return self.file_name if self.folder == VAES else self.stem

    def is_called(self, name: str) -> bool:
        """Whether a payload that says `name` means this file. The rules are those of contract/catalog."""
        if self.folder == CHECKPOINTS:
            return name in checkpoint_names(self.catalog_entry())
        return name == self.listed_as

    def catalog_entry(self) -> dict[str, Any]:
        """What the webui will list, once it has the file."""
        if self.folder == CHECKPOINTS:
            short = self.sha256[:_AUTO_V2_DIGITS] if self.sha256 else None
            title = f"{self.file_name} [{short}]" if short else self.file_name
            return {"title": title, "model_name": self.stem, "hash": short, "sha256": self.sha256}
        if self.folder == LORAS:
            return {"name": self.stem, "alias": self.stem, "metadata": {}}
        if self.folder == VAES:
            return {"model_name": self.listed_as}
        if self.folder == EMBEDDINGS:  # its size is known once it is read
            return {"step": None, "sd_checkpoint": None, "sd_checkpoint_name": None, "shape": 0, "vectors": 0}
        return {}


def model_at(key: str, size_bytes: int, modified: float) -> ModelObject | None:
    """The model file at a key of the bucket; None for what no engine is given."""
    found = keys.parse_model(key)
    if found is None or found.folder not in ON_DEMAND_FOLDERS:
        return None
    name = found.file_name
    is_plain = name.isprintable() and not name.startswith(".") and len(name.encode()) <= MAX_NAME_BYTES
    if PurePosixPath(name).suffix != WEIGHTS or not is_plain:
        return None
    return ModelObject(found.folder, name, size_bytes, modified)


def facts_in(folder: str, metadata: Mapping[str, str]) -> Facts:
    """What the metadata of an object under models/ says of it. Anybody may have written it."""
    sha256 = _matching(_SHA256, metadata.get("sha256"))
    known_by = sha256[:_AUTO_V2_DIGITS] if sha256 and folder in _AUTO_V2 else None
    family = metadata.get("family")
    return Facts(
        family=family if family in tuple(Family) else None,
        hash=_matching(_HASH, metadata.get("hash")) or known_by,
        sha256=sha256,
        on_demand=True,
    )


def _matching(pattern: re.Pattern[str], text: str | None) -> str | None:
    return text if text and pattern.fullmatch(text) else None


def holds(catalog: Mapping[str, Any], named: str, name: str) -> bool:
    """Whether a catalog has what a payload calls `name`. named: a field of Names."""
    try:
        check_names(Names(**{named: [("", name)]}), catalog, "")
    except UnknownName:
        return False
    return True


def with_models(catalog: Mapping[str, Any], models: Sequence[ModelObject]) -> dict[str, Any]:
    """The catalog with those models in its lists that it lacks, and with what is known of them."""
    listed = {folder: set(weight_names(catalog, route)) for folder, route in LIST_OF.items()}
    absent = [model for model in models if model.listed_as not in listed[model.folder]]

    def entries(folder: str) -> list[dict[str, Any]]:
        return [model.catalog_entry() for model in absent if model.folder == folder]

    embeddings = catalog.get("embeddings") or {}
    loaded = {model.stem: model.catalog_entry() for model in absent if model.folder == EMBEDDINGS}
    controlnet = [model.stem for model in absent if model.folder == CONTROLNETS]
    extended = {
        **catalog,
        "sd-models": [*(catalog.get("sd-models") or ()), *entries(CHECKPOINTS)],
        "loras": [*(catalog.get("loras") or ()), *entries(LORAS)],
        "sd-vae": [*(catalog.get("sd-vae") or ()), *entries(VAES)],
        "embeddings": {**embeddings, "loaded": {**(embeddings.get("loaded") or {}), **loaded}},
        CONTROLNET_ROUTE: [*(catalog.get(CONTROLNET_ROUTE) or ()), *controlnet],
    }
    return with_facts(extended, {(LIST_OF[model.folder], model.listed_as): model.facts for model in absent})


def without_model(catalog: Mapping[str, Any], model: ModelObject) -> dict[str, Any]:
    """The catalog without a model that it has as one on demand. A pack's own file stays in it."""
    return without_name(catalog, model.folder, model.listed_as)


def without_name(catalog: Mapping[str, Any], folder: str, name: str) -> dict[str, Any]:
    """The same by the name that the folder's list has."""
    route = LIST_OF[folder]
    if not facts_of(catalog, route, name).on_demand:
        return dict(catalog)
    entries: Any = catalog.get(route)
    if folder == EMBEDDINGS:
        left: Any = {held: _without_key(entries.get(held) or {}, name) for held in ("loaded", "skipped")}
    else:
        names = weight_names(catalog, route)
        left = [entry for entry, own in zip(entries, names, strict=True) if own != name]
    return with_facts({**catalog, route: left}, {(route, name): None})


def _without_key(entries: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {own: entry for own, entry in entries.items() if own != name}


def embeddings_of(catalog: Mapping[str, Any]) -> set[str]:
    """The embeddings that an engine has read, those included that do not fit its checkpoint."""
    return set(weight_names(catalog, LIST_OF[EMBEDDINGS]))
