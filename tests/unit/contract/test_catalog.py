"""What an endpoint holds, and a payload's names against it."""

from __future__ import annotations

from typing import Any

import pytest

from webui_async.contract import catalog, errors
from webui_async.contract.payload import Kind, parse_payload

HELD: dict[str, Any] = {
    "sd-models": [
        {
            "title": "art/ink.safetensors [0123456789]",
            "model_name": "art_ink",
            "hash": "0123456789",
            "sha256": "01" * 32,
        },
        {"title": "oil.safetensors", "model_name": "oil", "hash": None, "sha256": None},
    ],
    "sd-vae": [{"model_name": "soft.safetensors"}],
    "loras": [{"name": "boats", "alias": "Boats by Ann"}],
    "samplers": [{"name": "Euler a", "aliases": ["k_euler_a"]}],
    "schedulers": [{"name": "sgm_uniform", "label": "SGM Uniform"}],
    "upscalers": [{"name": "Lanczos"}],
    "latent-upscale-modes": [{"name": "Latent"}],
    "scripts": {"txt2img": ["Hypertile"], "img2img": ["Hypertile", "soft inpainting"]},
    "controlnet-models": ["canny [abcd1234]"],
    "options": {"sd_model_checkpoint": "oil.safetensors"},
}


def check(payload: dict[str, Any], held: dict[str, Any] = HELD) -> None:
    catalog.check_names(parse_payload(Kind.TXT2IMG, payload).names, held, "txt2img")


def checkpoint(name: str) -> dict[str, Any]:
    return {"override_settings": {"sd_model_checkpoint": name}}


def controlnet(model: str) -> dict[str, Any]:
    return {"alwayson_scripts": {"controlnet": {"args": [{"model": model}]}}}


@pytest.mark.parametrize(
    "name",
    [
        "art/ink.safetensors [0123456789]", "art/ink.safetensors", "art_ink", "0123456789", "01" * 32,
        "art_ink [0123456789]", "oil", "oil.safetensors",
    ],
)  # fmt: skip
def test_every_name_by_which_the_webui_knows_a_checkpoint_is_taken(name: str) -> None:
    check(checkpoint(name))
    assert catalog.find_checkpoint(HELD, name) is not None


@pytest.mark.parametrize("name", ["Oil", "OIL.safetensors", "ink", "", "oil [0123456789]", "None"])
def test_a_checkpoint_that_the_webui_would_draw_without_is_refused(name: str) -> None:
    with pytest.raises(errors.UnknownCheckpoint, match=r"sd_model_checkpoint.*art_ink, oil"):
        check(checkpoint(name))
    assert catalog.find_checkpoint(HELD, name) is None


@pytest.mark.parametrize(
    ("payload", "error", "listed"),
    [
        ({"prompt": "<lora:cats:1>"}, errors.UnknownLora, "boats"),
        ({"prompt": "<lora:Boats:1>"}, errors.UnknownLora, "boats"),
        ({"prompt": "<LORA:boats:1>"}, errors.UnknownLora, "boats"),
        ({"prompt": "<hypernet:boats:1>"}, errors.UnknownLora, "boats"),
        ({"override_settings": {"sd_vae": "hard"}}, errors.UnknownVae, "soft.safetensors"),
        ({"sampler_name": "k_euler_a"}, errors.UnknownSampler, "Euler a"),
        ({"sampler_name": "euler a"}, errors.UnknownSampler, "Euler a"),
        ({"sampler_name": "Euler a Karras"}, errors.UnknownScheduler, "SGM Uniform"),
        ({"hr_upscaler": "R-ESRGAN 4x+"}, errors.UnknownUpscaler, "Lanczos, Latent"),
        ({"alwayson_scripts": {"soft inpainting": {}}}, errors.UnknownScript, "hypertile"),
        (controlnet("depth"), errors.UnknownScript, "hypertile"),
        ({"refiner_checkpoint": "fine"}, errors.UnknownCheckpoint, "art_ink"),
    ],
)
def test_a_name_that_is_not_held_is_refused_with_what_is_there(
    payload: dict[str, Any], error: type[errors.UnknownName], listed: str
) -> None:
    with pytest.raises(error, match=listed):
        check(payload)


def test_a_controlnet_model_is_known_with_and_without_its_hash() -> None:
    held = HELD | {"scripts": {"txt2img": ["ControlNet"]}}
    for model in ("canny", "canny [abcd1234]", "None"):
        check(controlnet(model), held)
    with pytest.raises(errors.UnknownControlNetModel, match=r"canny \[abcd1234\]"):
        check(controlnet("depth"), held)


@pytest.mark.parametrize(
    "payload",
    [
        {"prompt": "<lora:boats:1><lora:Boats by Ann:1>"}, {"sampler_name": "Euler a SGM Uniform"},
        {"scheduler": "sgm_uniform"}, {"hr_upscaler": "Latent"}, {"hr_upscaler": "None"},
        {"override_settings": {"sd_vae": "Automatic"}}, {"alwayson_scripts": {"HyperTile": {}}}, {},
    ],
)  # fmt: skip
def test_what_is_held_is_taken(payload: dict[str, Any]) -> None:
    check(payload)


@pytest.mark.parametrize(
    "payload", [checkpoint("oil"), {"prompt": "<lora:a:1>"}, {"sampler_name": "Euler a"}]
)
def test_an_empty_catalog_holds_nothing(payload: dict[str, Any]) -> None:
    with pytest.raises(errors.UnknownName, match="it holds none"):
        check(payload, {})


def test_a_long_list_is_cut() -> None:
    held = {"samplers": [{"name": f"sampler {number:03}"} for number in range(100)]}
    with pytest.raises(errors.UnknownSampler, match="sampler 019 and 80 more") as caught:
        check({"sampler_name": "x" * 150}, held)
    assert len(str(caught.value)) < 700


def test_paths_on_the_engines_disk_are_left_out() -> None:
    entries = [{"title": "oil", "filename": "/opt/ml/model/oil", "config": "/x.yaml"}, "plain"]
    assert catalog.without_paths(entries) == [{"title": "oil"}, "plain"]
    assert catalog.without_paths({"loaded": {}}) == {"loaded": {}}


def test_options_that_no_caller_may_set_are_left_out() -> None:
    assert catalog.visible_options({"outdir_samples": "/x", "eta_ddim": 0.0}) == {"eta_ddim": 0.0}


def test_the_default_checkpoint_is_the_engines_option() -> None:
    assert catalog.default_checkpoint(HELD) == "oil.safetensors"
    for options in ({}, {"sd_model_checkpoint": None}, {"sd_model_checkpoint": ""}):
        assert catalog.default_checkpoint({"options": options}) is None


LISTS: dict[str, Any] = {
    "sd-models": [{"title": "oil.safetensors", "model_name": "oil"}],
    "loras": [{"name": "boats", "alias": "Boats by Ann"}],
    "sd-vae": [{"model_name": "soft.safetensors"}],
    "embeddings": {"loaded": {"calm": {"step": 1}}, "skipped": {"xl-calm": {}}},
    "controlnet-models": ["canny [abcd1234]", "depth"],
}


@pytest.mark.parametrize(
    ("route", "names"),
    [
        ("sd-models", ["oil"]),
        ("loras", ["boats"]),
        ("sd-vae", ["soft.safetensors"]),
        ("embeddings", ["calm", "xl-calm"]),
        ("controlnet-models", ["canny", "depth"]),
    ],
)
def test_every_list_of_weight_files_has_names(route: str, names: list[str]) -> None:
    assert catalog.weight_names(LISTS, route) == names
    assert catalog.weight_names({}, route) == []


def test_the_hash_of_a_controlnet_model_is_taken_out_of_its_title() -> None:
    assert catalog.weight_entries(LISTS, "controlnet-models") == [
        ("canny", {"hash": "abcd1234"}),
        ("depth", {"hash": None}),
    ]


def test_facts_lie_beside_the_lists_until_they_are_taken_away() -> None:
    facts = catalog.Facts("SD1", "0123456789", "01" * 32, on_demand=True)
    held = catalog.with_facts(LISTS, {("loras", "boats"): facts, ("sd-models", "oil"): catalog.Facts()})
    assert {name: value for name, value in held.items() if name != catalog.FACTS} == LISTS
    assert catalog.facts_of(held, "loras", "boats") == facts
    assert catalog.facts_of(held, "loras", "oil") == catalog.facts_of(LISTS, "loras", "boats")
    left = catalog.with_facts(held, {("sd-models", "oil"): None})
    assert catalog.facts_of(left, "loras", "boats") == facts
    assert catalog.with_facts(left, {("loras", "boats"): None}) == LISTS


def test_facts_of_another_release_are_read_as_far_as_they_are_known() -> None:
    assert catalog.Facts.from_json({"family": "SD2", "colour": "red"}) == catalog.Facts("SD2")
