"""Models under models/ in the bucket: what their metadata tells, and how a catalog lists them."""

from __future__ import annotations

from typing import Any

import pytest

from webui_async.contract.catalog import Facts, facts_of, weight_names, with_facts
from webui_async.model_files.on_demand import (
    LIST_OF,
    ModelObject,
    facts_in,
    with_models,
    without_model,
    without_name,
)

SHA256 = "0123456789abcdef" * 4
PACKED: dict[str, Any] = {
    "sd-models": [{"title": "oil.safetensors", "model_name": "oil", "hash": None, "sha256": None}],
    "loras": [{"name": "boats", "alias": "Boats by Ann"}],
    "sd-vae": [{"model_name": "soft.safetensors"}],
    "embeddings": {"loaded": {"calm": {}}, "skipped": {"xl-calm": {}}},
    "controlnet-models": ["canny [abcd1234]"],
    "samplers": [{"name": "Euler"}],
}


def model(folder: str, name: str = "ink") -> ModelObject:
    return ModelObject(folder, f"{name}.safetensors", 1000, 0, facts=Facts("SD1", on_demand=True))


@pytest.mark.parametrize("folder", LIST_OF)
def test_a_model_is_listed_with_its_facts_until_it_is_taken_out(folder: str) -> None:
    ink, route = model(folder), LIST_OF[folder]
    extended = with_models(PACKED, [ink])
    assert weight_names(extended, route).count(ink.listed_as) == 1
    assert facts_of(extended, route, ink.listed_as) == ink.facts
    assert with_models(extended, [ink]) == extended, "nothing is listed twice"
    assert without_model(extended, ink) == PACKED


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("Stable-diffusion", "oil"),
        ("Lora", "boats"),
        ("VAE", "soft"),
        ("embeddings", "xl-calm"),
        ("ControlNet", "canny"),
    ],
)
def test_what_the_pack_has_stays_as_it_is(folder: str, name: str) -> None:
    own = model(folder, name)
    assert with_models(PACKED, [own]) == PACKED
    assert without_model(PACKED, own) == PACKED


@pytest.mark.parametrize(
    ("folder", "name"), [("Lora", "boats"), ("ControlNet", "canny"), ("embeddings", "xl-calm")]
)
def test_what_the_engine_lists_because_it_was_fetched_is_taken_out_too(folder: str, name: str) -> None:
    fetched = with_facts(PACKED, {(LIST_OF[folder], name): Facts(on_demand=True)})
    assert name not in weight_names(without_name(fetched, folder, name), LIST_OF[folder])


@pytest.mark.parametrize(
    ("folder", "known_by"),
    [("Stable-diffusion", SHA256[:10]), ("VAE", SHA256[:10]), ("Lora", None), ("ControlNet", None)],
)
def test_what_the_webui_hashes_as_a_whole_is_known_by_its_sha256(folder: str, known_by: str | None) -> None:
    assert facts_in(folder, {"sha256": SHA256}) == Facts(None, known_by, SHA256, on_demand=True)


def test_a_noted_hash_and_family_are_taken_over() -> None:
    noted = {"sha256": SHA256, "family": "SDXL", "hash": "89abcdef0123", "type": "LoRA", "colour": "red"}
    assert facts_in("Lora", noted) == Facts("SDXL", "89abcdef0123", SHA256, on_demand=True)


@pytest.mark.parametrize(
    "noted", [{"sha256": "no"}, {"sha256": SHA256.upper()}, {"hash": "<b>"}, {"family": "SD9"}, {}]
)
def test_what_cannot_be_is_not_taken_over(noted: dict[str, str]) -> None:
    assert facts_in("Lora", noted) == Facts(on_demand=True)
