"""Model files under models/ in the bucket: what may lie there, and how a catalog lists it.

The packager puts them there and into the catalogs, the container fetches and lists them: both read one text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from webui_async.contract import keys
from webui_async.contract.catalog import CONTROLNET_ROUTE, check_names, checkpoint_names
from webui_async.contract.errors import UnknownName
from webui_async.contract.fields import Names
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
#: The folders of `models/`.
ON_DEMAND_FOLDERS = (*FOLDER_OF.values(), EMBEDDINGS)
#: Longer names have no room for an ending of ours: a file system takes 255 bytes.
MAX_NAME_BYTES = 200
_MARK = "on_demand"


@dataclass(frozen=True)
class ModelObject:
    """A model file in the bucket."""

    folder: str
    file_name: str
    size_bytes: int
    modified: float  #: seconds since 1970
    sha256: str | None = None  #: known to who has put it there, and to who has fetched it

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
        """What the webui would list, and that the file is not on the machine yet."""
        mark = {_MARK: True}
        if self.folder == CHECKPOINTS:
            short = self.sha256[:10] if self.sha256 else None
            title = f"{self.file_name} [{short}]" if short else self.file_name
            return {"title": title, "model_name": self.stem, "hash": short, "sha256": self.sha256} | mark
        if self.folder == LORAS:
            return {"name": self.stem, "alias": self.stem, "metadata": {}} | mark
        if self.folder == VAES:
            return {"model_name": self.listed_as} | mark
        return mark


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


def holds(catalog: Mapping[str, Any], named: str, name: str) -> bool:
    """Whether a catalog has what a payload calls `name`. named: a field of Names."""
    try:
        check_names(Names(**{named: [("", name)]}), catalog, "")
    except UnknownName:
        return False
    return True


def with_models(catalog: Mapping[str, Any], models: Sequence[ModelObject]) -> dict[str, Any]:
    """The catalog with those models in its lists that it lacks, each marked `on_demand`."""
    listed = _listed(catalog)
    absent = [model for model in models if model.listed_as not in listed[model.folder]]

    def entries(folder: str) -> list[dict[str, Any]]:
        return [model.catalog_entry() for model in absent if model.folder == folder]

    embeddings = catalog.get("embeddings") or {}
    loaded = {model.stem: model.catalog_entry() for model in absent if model.folder == EMBEDDINGS}
    controlnet = [model.stem for model in absent if model.folder == CONTROLNETS]
    return {
        **catalog,
        "sd-models": [*(catalog.get("sd-models") or ()), *entries(CHECKPOINTS)],
        "loras": [*(catalog.get("loras") or ()), *entries(LORAS)],
        "sd-vae": [*(catalog.get("sd-vae") or ()), *entries(VAES)],
        "embeddings": {**embeddings, "loaded": {**(embeddings.get("loaded") or {}), **loaded}},
        CONTROLNET_ROUTE: [*(catalog.get(CONTROLNET_ROUTE) or ()), *controlnet],
    }


def without_model(catalog: Mapping[str, Any], model: ModelObject) -> dict[str, Any]:
    """The catalog without the entry that lists this model as `on_demand`. A pack's own file stays in it."""

    def others(route: str, folder: str, field: str, name: str) -> list[Any]:
        entries = catalog.get(route) or []
        if model.folder != folder:
            return list(entries)
        return [entry for entry in entries if not (entry.get(_MARK) and entry.get(field) == name)]

    embeddings = catalog.get("embeddings") or {}
    loaded = {
        name: entry
        for name, entry in (embeddings.get("loaded") or {}).items()
        if not (model.folder == EMBEDDINGS and name == model.stem and entry.get(_MARK))
    }
    # The list of ControlNet models has names only: an engine's own ones end with a hash in brackets.
    gone = {model.stem} if model.folder == CONTROLNETS else set()
    return {
        **catalog,
        "sd-models": others("sd-models", CHECKPOINTS, "model_name", model.stem),
        "loras": others("loras", LORAS, "name", model.stem),
        "sd-vae": others("sd-vae", VAES, "model_name", model.file_name),
        "embeddings": {**embeddings, "loaded": loaded},
        CONTROLNET_ROUTE: [name for name in catalog.get(CONTROLNET_ROUTE) or () if name not in gone],
    }


def embeddings_of(catalog: Mapping[str, Any]) -> set[str]:
    """The embeddings that an engine has read, those included that do not fit its checkpoint."""
    lists = catalog.get("embeddings") or {}
    return {name for list_name in ("loaded", "skipped") for name in lists.get(list_name) or ()}


def _listed(catalog: Mapping[str, Any]) -> dict[str, set[str]]:
    """What a catalog lists: folder -> names, as `ModelObject.listed_as` has them."""
    return {
        CHECKPOINTS: {str(entry.get("model_name")) for entry in catalog.get("sd-models") or ()},
        LORAS: {str(entry.get("name")) for entry in catalog.get("loras") or ()},
        VAES: {str(entry.get("model_name")) for entry in catalog.get("sd-vae") or ()},
        CONTROLNETS: {name.partition(" [")[0] for name in catalog.get(CONTROLNET_ROUTE) or ()},
        EMBEDDINGS: embeddings_of(catalog),
    }
