"""What an endpoint holds: the engine's own lists without its paths, and a payload's names against them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from webui_async.contract import errors
from webui_async.contract.fields import SETTINGS, Names
from webui_async.contract.payload import CHECKPOINT_SETTING

#: The webui's GET routes that a catalog holds the answers of, so that reading them wakes no GPU.
ROUTES = (
    "sd-models", "sd-vae", "loras", "embeddings", "samplers", "schedulers", "upscalers",
    "latent-upscale-modes",
    "scripts", "options",
)  # fmt: skip
#: Routes that exist only with an extension or in some engines; absent means an empty answer.
CONTROLNET_ROUTE = "controlnet-models"
#: The lists of weight files -> what these are, in a manifest's words.
WEIGHT_LISTS: Mapping[str, str] = {
    "sd-models": "checkpoint",
    "loras": "LoRA",
    "sd-vae": "VAE",
    "embeddings": "embedding",
    CONTROLNET_ROUTE: "ControlNet model",
}
#: Where a catalog keeps its Facts: list -> the name there -> Facts. The lists themselves stay the webui's.
FACTS = "facts"
_PATHS = ("filename", "path", "config", "model_path", "model_url")
_SAME_HIRES = ("None", "Use same upscaler")


@dataclass(frozen=True)
class Facts:
    """What is known of a weight file beside what the engine says of it."""

    family: str | None = None  #: SD1, SD2, SDXL, SD3, Flux; None when nothing tells
    hash: str | None = None  #: as the webui shows it, once it has computed it
    sha256: str | None = None  #: of the whole file
    on_demand: bool = False  #: not in the model pack: fetched for the job that names it

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Facts:
        """Fields of a later release are passed over."""
        return cls(**{name: document[name] for name in cls.__dataclass_fields__ if name in document})


def weight_entries(catalog: Mapping[str, Any], route: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Each file in one of WEIGHT_LISTS: its name, and what the engine says of it."""
    if route == "embeddings":
        held = catalog.get(route) or {}
        return [*(held.get("loaded") or {}).items(), *(held.get("skipped") or {}).items()]
    entries = catalog.get(route) or ()
    if route == CONTROLNET_ROUTE:
        parts = (title.partition(" [") for title in entries)
        return [(name, {"hash": rest.rstrip("]") or None}) for name, _, rest in parts]
    field = "name" if route == "loras" else "model_name"
    return [(str(entry.get(field)), entry) for entry in entries]


def weight_names(catalog: Mapping[str, Any], route: str) -> list[str]:
    """The names alone."""
    return [name for name, _ in weight_entries(catalog, route)]


def facts_of(catalog: Mapping[str, Any], route: str, name: str) -> Facts:
    """What is known of the file that a list has under `name`."""
    return Facts.from_json(((catalog.get(FACTS) or {}).get(route) or {}).get(name) or {})


def with_facts(catalog: Mapping[str, Any], facts: Mapping[tuple[str, str], Facts | None]) -> dict[str, Any]:
    """The catalog with these Facts, by list and name, beside those that it has. None takes them away."""
    known = {route: dict(names) for route, names in (catalog.get(FACTS) or {}).items()}
    for (route, name), fact in facts.items():
        known.setdefault(route, {}).pop(name, None)
        if fact is not None:
            known[route][name] = dict(vars(fact))
    known = {route: names for route, names in known.items() if names}
    rest = {name: value for name, value in catalog.items() if name != FACTS}
    return rest | ({FACTS: known} if known else {})


def without_paths(entries: Any) -> Any:
    """A list of the engine's without the places on its disk."""
    if not isinstance(entries, list):
        return entries
    return [
        {name: value for name, value in entry.items() if name not in _PATHS}
        if isinstance(entry, dict)
        else entry
        for entry in entries
    ]


def visible_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The engine's options that a caller may override; the others name places on its disk."""
    return {name: options[name] for name in SETTINGS if name in options}


def checkpoint_names(entry: Mapping[str, Any]) -> set[str]:
    """Every name by which the webui knows a checkpoint. Source: its CheckpointInfo.ids."""
    title = entry.get("title") or ""
    file_name = title.partition(" [")[0]
    names = {title, file_name, entry.get("model_name"), entry.get("hash"), entry.get("sha256")}
    if entry.get("hash"):
        names |= {f"{entry.get('model_name')} [{entry['hash']}]", f"{file_name} [{entry['hash']}]"}
    return {name for name in names if name}


def told_name(entry: Mapping[str, Any]) -> str:
    """The name by which an info tells of a checkpoint: the file's, without folder and extension."""
    file_name = str(entry.get("title") or "").partition(" [")[0]
    return posixpath.splitext(posixpath.basename(file_name))[0]


def find_checkpoint(catalog: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """The checkpoint that the webui would load for `name`, letter case included; None when it has none."""
    return next((entry for entry in catalog.get("sd-models") or () if name in checkpoint_names(entry)), None)


def check_names(names: Names, catalog: Mapping[str, Any], kind: str) -> None:
    """Nothing when the endpoint holds everything that a payload names.

    The webui draws with something else instead of refusing. Raises an UnknownName that lists what is there.
    """
    checkpoints = catalog.get("sd-models") or ()
    known = {name for entry in checkpoints for name in checkpoint_names(entry)}
    _check(names.checkpoints, known, errors.UnknownCheckpoint, _texts(checkpoints, "model_name"))
    _check(names.vaes, _texts(catalog.get("sd-vae"), "model_name"), errors.UnknownVae)
    _check(
        names.loras,
        _texts(catalog.get("loras"), "name", "alias"),
        errors.UnknownLora,
        _texts(catalog.get("loras"), "name"),
    )
    _check(
        names.samplers,
        _sampler_names(catalog),
        errors.UnknownSampler,
        _texts(catalog.get("samplers"), "name"),
    )
    schedulers = _texts(catalog.get("schedulers"), "name", "label")
    _check(names.schedulers, schedulers, errors.UnknownScheduler, _texts(catalog.get("schedulers"), "label"))
    _check(names.upscalers, _upscaler_names(catalog), errors.UnknownUpscaler)
    scripts = {name.lower() for name in (catalog.get("scripts") or {}).get(kind, ())}
    _check([(field, name.lower()) for field, name in names.scripts], scripts, errors.UnknownScript)
    controlnet = catalog.get(CONTROLNET_ROUTE) or ()
    held = {form for name in controlnet for form in (name, name.partition(" [")[0])}
    _check(names.controlnet_models, held, errors.UnknownControlNetModel, controlnet)


def default_checkpoint(catalog: Mapping[str, Any]) -> str | None:
    """The checkpoint that a payload without one is drawn with."""
    name = (catalog.get("options") or {}).get(CHECKPOINT_SETTING)
    return name if isinstance(name, str) and name else None


def _check(
    named: Iterable[tuple[str, str]],
    known: set[str],
    error: type[errors.UnknownName],
    listed: Iterable[str] | None = None,
) -> None:
    for field, name in named:
        if name not in known:
            raise error(field, name, known if listed is None else listed)


def _texts(entries: Any, *fields: str) -> set[str]:
    return {entry[field] for entry in entries or () for field in fields if entry.get(field)}


def _sampler_names(catalog: Mapping[str, Any]) -> set[str]:
    # The webui itself refuses aliases such as k_euler_a silently: they draw with another sampler.
    return _texts(catalog.get("samplers"), "name")


def _upscaler_names(catalog: Mapping[str, Any]) -> set[str]:
    names = _texts(catalog.get("upscalers"), "name") | _texts(catalog.get("latent-upscale-modes"), "name")
    return names | set(_SAME_HIRES)
