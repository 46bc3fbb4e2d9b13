"""What the engine did otherwise: in recordings of the stock webui, and in made-up replies for the rest."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serve.effective import differences, is_other_checkpoint
from serve.pictures import Picture, read_info
from tests.unit.serve.fakes import png
from webui_async.contract.catalog import visible_options, without_paths
from webui_async.contract.errors import PipelineError
from webui_async.contract.payload import Kind, Payload, names_in, parse_payload

RECORDINGS = Path(__file__).parents[2] / "contract" / "recordings" / "stock_webui"
GROUPS = ("routes", "errors", "checkpoints", "leak", "running", "controlnet")

#: Every recorded drawing that is not what was asked for -> the fields that say so. All others are.
OTHERWISE = {
    "ckpt/06_override_unknown": ["override_settings.sd_model_checkpoint"],
    "ckpt/09_override_int": ["override_settings.sd_model_checkpoint"],
    "ckpt/10_override_substring_case": ["override_settings.sd_model_checkpoint"],
    "err/override_unknown_checkpoint": ["override_settings.sd_model_checkpoint"],
    # An override that is never undone: the next caller asked for nothing and gets it.
    "ckpt/04_plain_after_norestore": ["override_settings.sd_model_checkpoint"],
    "leak/2_plain_after": ["override_settings.CLIP_stop_at_last_layers"],
    "err/unknown_sampler": ["sampler_name"],
    "err/unknown_sampler_index_field": ["sampler_name"],
    "err/sampler_alias_k_euler_a": ["sampler_name"],
    "err/unknown_scheduler": ["scheduler"],
    "err/lora_missing": ["prompt"],
    "err/hypernet_missing": ["prompt"],
    "err/styles_unknown": ["styles"],
    "err/seed_float": ["seed"],
    "err/steps_float": ["steps"],
    "err/width_63": ["width and height"],
    "err/width_68": ["width and height"],
    "err/width_100_height_100": ["width and height"],
    "run/05_interrupted_niter4": ["batch_size and n_iter"],
    "controlnet/11_canny_no_model": ["alwayson_scripts.controlnet"],
    "controlnet/14_no_image": ["alwayson_scripts.controlnet"],
}
#: A number that was sent as a text, and an answer without its pictures: the validator takes neither.
LEFT_OUT = ("err/send_images_false", "err/steps_string_numeric")


def _read(name: str) -> Any:
    return json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))


def _is_drawing(exchange: dict[str, Any]) -> bool:
    path, response = exchange["request"]["path"], exchange["response"]
    return (
        response["status"] == 200
        and path.endswith(tuple(f"/sdapi/v1/{kind.value}" for kind in Kind))
        and exchange["request"]["json"] is not None
        and exchange["name"] not in LEFT_OUT
    )


EXCHANGES = {one["name"]: one for group in GROUPS for one in _read(group) if _is_drawing(one)}
SIZES = _read("picture_sizes")


@pytest.fixture(scope="module")
def catalog() -> dict[str, Any]:
    """What the recorded webui held."""
    lists = {one["name"]: one["response"]["json"] for group in GROUPS for one in _read(group)}
    checkpoints = {
        entry["title"]: entry for name in ("07_sd_models", "ckpt/41_models_after") for entry in lists[name]
    }
    return {
        "sd-models": without_paths(list(checkpoints.values())),
        "schedulers": lists["09_schedulers"],
        "options": visible_options(lists["12_options_get"]),
    }


def _payload(kind: Kind, body: dict[str, Any]) -> Payload:
    """As the validator makes it; a body that the validator refuses, as it was sent to the webui."""
    try:
        return parse_payload(kind, body)
    except PipelineError:
        body = body | {"sampler_name": body.get("sampler_name") or body.get("sampler_index")}
        return Payload(kind, body, names_in(body), (), 0, ())


def _pictures(name: str, info: dict[str, Any]) -> list[Picture]:
    first = info.get("index_of_first_image", 0)
    seeds = dict(enumerate(info.get("all_seeds", ()), start=first))
    return [
        Picture(b"", "png", width, height, seeds.get(number))
        for number, (width, height) in enumerate(SIZES[name])
    ]


def _fields(sentences: list[str]) -> list[str]:
    return [sentence.partition(" asked for ")[0] for sentence in sentences]


def _at_the_time(name: str, catalog: dict[str, Any]) -> dict[str, Any]:
    """Without a default checkpoint where the recording itself had changed it."""
    is_changed = name.startswith(("ckpt/0", "ckpt/1", "ckpt/5", "ckpt/6", "controlnet/"))
    if not is_changed or name == "ckpt/04_plain_after_norestore":
        return catalog
    return catalog | {"options": {}}


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_recorded_drawing_is_warned_of_exactly_where_the_webui_did_otherwise(
    name: str, catalog: dict[str, Any]
) -> None:
    exchange = EXCHANGES[name]
    kind = Kind(exchange["request"]["path"].rpartition("/")[2])
    payload, info = _payload(kind, exchange["request"]["json"]), read_info(exchange["response"]["json"])
    told = differences(payload, info, _pictures(name, info), _at_the_time(name, catalog))
    assert _fields(told) == OTHERWISE.get(name, [])


def test_every_drawing_that_is_expected_to_differ_is_recorded() -> None:
    assert OTHERWISE.keys() <= EXCHANGES.keys()


def _drawn(
    body: dict[str, Any], size: tuple[int, int] = (64, 64), maps: int = 0, **info: Any
) -> Iterator[str]:
    """The sentences about one made-up reply to a payload that the validator takes."""
    kind = Kind.IMG2IMG if "init_images" in body else Kind.TXT2IMG
    payload = parse_payload(kind, {"prompt": "a red boat", "width": 64, "height": 64} | body)
    pictures = [Picture(b"", "png", *size, 7)] + [Picture(b"", "png", *size, None)] * maps
    yield from differences(
        payload, {"sd_model_name": "ink", "sd_model_hash": "0123456789"} | info, pictures, CATALOG
    )


INK, OIL = "ink.safetensors [0123456789]", "sub/oil.v2.safetensors [abcdef0123]"
CATALOG = {
    "sd-models": [
        {"title": INK, "model_name": "ink", "hash": "0123456789"},
        {"title": OIL, "model_name": "sub_oil.v2", "hash": "abcdef0123"},
        {"title": "sub/new.safetensors", "model_name": "sub_new", "hash": None},
    ],
    "options": {"sd_model_checkpoint": INK, "CLIP_stop_at_last_layers": 1.0},
}


def _init(width: int, height: int) -> list[str]:
    return [b64encode(png(width, height)).decode()]


@pytest.mark.parametrize("name", [INK, "ink.safetensors", "ink", "0123456789", "ink [0123456789]"])
def test_a_checkpoint_may_be_asked_for_by_any_of_its_names(name: str) -> None:
    asked = {"override_settings": {"sd_model_checkpoint": name}}
    assert list(_drawn(asked)) == []
    (told,) = _drawn(asked, sd_model_name="oil.v2", sd_model_hash="abcdef0123")
    assert repr(name) in told and "'oil.v2'" in told


@pytest.mark.parametrize("used_hash", ["abcdef0123", None])
@pytest.mark.parametrize("used", ["oil.v2", "sub_oil.v2"])
def test_a_checkpoint_in_a_folder_may_be_told_of_without_it(used: str, used_hash: str | None) -> None:
    asked = {"override_settings": {"sd_model_checkpoint": "sub_oil.v2"}}
    assert list(_drawn(asked, sd_model_name=used, sd_model_hash=used_hash)) == []


def test_a_checkpoint_that_was_not_hashed_when_the_catalog_was_made_is_known_by_its_name() -> None:
    asked = {"override_settings": {"sd_model_checkpoint": "sub_new"}}
    assert list(_drawn(asked, sd_model_name="new", sd_model_hash="1111111111")) == []
    assert len(list(_drawn(asked))) == 1


def test_two_files_of_one_name_are_told_apart_by_their_hashes() -> None:
    assert len(list(_drawn({}, sd_model_hash="abcdef0123"))) == 1


@pytest.mark.parametrize(
    ("settings", "used", "expected"),
    [({"sd_model_checkpoint": "sub_new"}, "ink", True), ({}, "oil.v2", True), ({}, "ink", False)],
)
def test_another_checkpoint_than_the_wanted_one_is_noticed(
    settings: dict[str, str], used: str, expected: bool
) -> None:
    payload = parse_payload(Kind.TXT2IMG, {"prompt": "", "override_settings": settings})
    assert is_other_checkpoint(payload, {"sd_model_name": used}, CATALOG) is expected


def test_extras_are_drawn_with_no_checkpoint() -> None:
    payload = parse_payload(Kind.EXTRA_SINGLE, {"image": _init(64, 64)[0]})
    assert not is_other_checkpoint(payload, {"html_info": "<p></p>"}, CATALOG)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"override_settings": {"sd_vae": "fine.pt"}}, {"sd_vae_name": None}),
        ({"override_settings": {"CLIP_stop_at_last_layers": 2}}, {"clip_skip": 1}),
        ({"cfg_scale": 7.5}, {"cfg_scale": 7.0}),
        ({"seed": 5}, {"seed": 6}),
        ({"init_images": _init(64, 64), "denoising_strength": 0.5}, {"denoising_strength": 0.75}),
        ({"refiner_checkpoint": "sub_new", "refiner_switch_at": 0.8}, {}),
        ({"refiner_checkpoint": "sub_new"}, {"extra_generation_params": {"Refiner": "oil.v2 [abcdef0123]"}}),
        ({"prompt": "<lora:a:1> <lora:b:1>"}, {"extra_generation_params": {"Lora hashes": "a: 12"}}),
        ({"prompt": "<lora:a:1> <lora:a:0.5>"}, {}),
        ({"styles": ["nope"]}, {"all_prompts": ["a red boat"], "all_negative_prompts": [""]}),
    ],
)
def test_what_was_used_instead_is_one_sentence(asked: dict[str, Any], told: dict[str, Any]) -> None:
    assert len(list(_drawn(asked, **told))) == 1


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"override_settings": {"sd_vae": "fine.pt"}}, {"sd_vae_name": "fine.pt"}),
        ({"override_settings": {"sd_vae": "Automatic"}}, {"sd_vae_name": None}),
        ({"override_settings": {"CLIP_stop_at_last_layers": 2}}, {"clip_skip": 2.0}),
        ({"seed": -1, "subseed": -1}, {"seed": 6, "subseed": 9}),
        ({"denoising_strength": 0.5}, {"denoising_strength": None}),
        ({"refiner_checkpoint": "ink", "refiner_switch_at": 0.8}, {}),
        ({"refiner_checkpoint": "sub_oil.v2", "refiner_switch_at": 1}, {}),
        (
            {"refiner_checkpoint": "sub_oil.v2", "refiner_switch_at": 0.8},
            {"extra_generation_params": {"Refiner": "oil.v2 [abcdef0123]"}},
        ),
        (
            {"prompt": "<lora:a,b:1> <lora:c:0.5> <lora:c:0.2>"},
            {"extra_generation_params": {"Lora hashes": "ab: 12, c: 34"}},
        ),
        ({"prompt": "<lora:a:1>", "disable_extra_networks": True}, {}),
        ({"prompt": "<lora:a:1>"}, {"sd_model_hash": None}),
        ({"styles": ["None"]}, {"all_prompts": ["a red boat"], "all_negative_prompts": [""]}),
        ({"styles": ["ink"]}, {"all_prompts": ["a red boat, ink"], "all_negative_prompts": [""]}),
    ],
)
def test_what_was_used_as_asked_is_not_warned_of(asked: dict[str, Any], told: dict[str, Any]) -> None:
    assert list(_drawn(asked, **told)) == []


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("sgm_uniform", 0),
        ("SGM Uniform", 0),
        ("automatic", 0),
        ("Automatic", 0),
        ("karras", 1),
        ("Karras", 1),
    ],
)
def test_a_scheduler_is_known_by_name_and_label(asked: str, expected: int, catalog: dict[str, Any]) -> None:
    text = "Schedule type: Karras, it says\nSteps: 2, Sampler: Euler, Schedule type: SGM Uniform, Seed: 1"
    payload = parse_payload(Kind.TXT2IMG, {"prompt": "", "width": 64, "height": 64, "scheduler": asked})
    told = differences(payload, {"infotexts": [text]}, [Picture(b"", "png", 64, 64, 7)], catalog)
    assert len(told) == expected


@pytest.mark.parametrize(
    ("asked", "size", "expected"),
    [
        ({"enable_hr": True, "hr_scale": 2}, (128, 128), []),
        ({"enable_hr": True, "hr_scale": 1.3}, (80, 80), []),
        ({"enable_hr": True, "hr_resize_x": 100}, (96, 96), []),
        ({"enable_hr": True, "hr_scale": 2}, (64, 64), ["hr_scale, hr_resize_x and hr_resize_y"]),
        ({"init_images": _init(100, 60)}, (64, 64), []),
        ({"init_images": _init(100, 60)}, (100, 60), ["width and height"]),
    ],
)
def test_a_picture_has_the_size_asked_for(
    asked: dict[str, Any], size: tuple[int, int], expected: list[str]
) -> None:
    assert _fields(list(_drawn(asked, size))) == expected


@pytest.mark.parametrize(
    ("size", "expected"), [((100, 60), []), ((60, 100), []), ((64, 64), ["init_images"])]
)
def test_a_picture_drawn_under_its_mask_keeps_its_own_size(
    size: tuple[int, int], expected: list[str]
) -> None:
    asked = {"init_images": _init(100, 60), "mask": _init(100, 60)[0]}
    told = _drawn(asked, size, extra_generation_params={"Inpaint area": "Only masked"})
    assert _fields(list(told)) == expected


def test_several_init_images_are_one_batch() -> None:
    body = {"prompt": "", "width": 64, "height": 64, "init_images": _init(64, 64) * 2, "batch_size": 4}
    pictures = [Picture(b"", "png", 64, 64, seed) for seed in (7, 8)]
    assert differences(parse_payload(Kind.IMG2IMG, body), {}, pictures, {}) == []


@pytest.mark.parametrize(
    ("unit", "maps", "told", "expected"),
    [
        ({"enabled": True}, 1, {"ControlNet 0": "Module: canny"}, 0),
        ({"enabled": True}, 0, {"ControlNet 0": "Module: canny"}, 1),
        ({"enabled": True, "save_detected_map": False}, 0, {"ControlNet 0": "Module: canny"}, 0),
        ({"enabled": True, "save_detected_map": False}, 0, {}, 1),
        ({"enabled": False}, 0, {}, 0),
    ],
)
def test_controlnet_that_gave_up_is_noticed(
    unit: dict[str, Any], maps: int, told: dict[str, str], expected: int
) -> None:
    asked = {"alwayson_scripts": {"controlnet": {"args": [unit | {"module": "canny"}]}}}
    assert len(list(_drawn(asked, maps=maps, extra_generation_params=told))) == expected


@pytest.mark.parametrize(
    ("asked", "size", "expected"),
    [
        ({"upscaling_resize": 2, "upscaler_1": "Lanczos"}, (200, 120), []),
        ({"upscaling_resize": 1.5, "upscaler_1": "Lanczos"}, (144, 88), []),
        ({"upscaling_resize": 2, "upscaler_1": "Lanczos"}, (120, 200), []),
        ({"upscaling_resize": 2, "upscaler_1": "Lanczos"}, (100, 60), ["upscaling_resize"]),
        ({"upscaling_resize": 2}, (100, 60), []),
    ],
)
def test_extras_enlarge_as_asked(asked: dict[str, Any], size: tuple[int, int], expected: list[str]) -> None:
    payload = parse_payload(Kind.EXTRA_SINGLE, {"image": _init(100, 60)[0]} | asked)
    told = differences(payload, {"html_info": ""}, [Picture(b"", "png", *size, None)], {})
    assert _fields(told) == expected


@pytest.mark.parametrize(("crop", "size"), [(True, (256, 256)), (False, (424, 256))])
def test_extras_of_a_batch_may_be_given_a_size(crop: bool, size: tuple[int, int]) -> None:
    body = {
        "imageList": [{"data": _init(100, 60)[0], "name": "a"}],
        "upscaler_1": "Lanczos",
        "resize_mode": 1,
    }
    body |= {"upscaling_resize_w": 256, "upscaling_resize_h": 256, "upscaling_crop": crop}
    payload = parse_payload(Kind.EXTRA_BATCH, body)
    assert differences(payload, {"html_info": ""}, [Picture(b"", "png", *size, None)], {}) == []
    assert len(differences(payload, {"html_info": ""}, [Picture(b"", "png", 64, 64, None)], {})) == 1
