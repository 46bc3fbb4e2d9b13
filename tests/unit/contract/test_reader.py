"""What a field may hold: types, bounds, settings, scripts, ControlNet; refused by name."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.unit.contract.pictures import PNG
from tests.unit.contract.refusals import read, short, why
from webui_async.contract import fields
from webui_async.contract.payload import Kind, parse_payload

TXT2IMG = Kind.TXT2IMG


NO_INTEGER = [
    "20",
    True,
    False,
    [],
    {},
    2.5,
    math.nan,
    math.inf,
    -math.inf,
    1e400,
    10**4000,
    -(10**4000),
    1e300,
    "",
    "\ud800",
]
INTEGERS = ["steps", "width", "height", "batch_size", "n_iter", "seed", "subseed", "hr_second_pass_steps"]
NUMBERS = [
    "cfg_scale",
    "denoising_strength",
    "eta",
    "s_churn",
    "s_tmax",
    "s_noise",
    "hr_scale",
    "subseed_strength",
]


@pytest.mark.parametrize("value", NO_INTEGER, ids=short)
@pytest.mark.parametrize("name", INTEGERS)
def test_what_is_no_whole_number_within_bounds_is_refused_by_name(name: str, value: Any) -> None:
    assert why({name: value}).startswith(f"{name} is ")


@pytest.mark.parametrize("value", [v for v in NO_INTEGER if v != 2.5], ids=short)
@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_no_number_within_bounds_is_refused_by_name(name: str, value: Any) -> None:
    assert why({name: value}).startswith(f"{name} is ")


def _outside() -> list[tuple[str, str, float]]:
    return [
        (kind, name, value)
        for kind, table in fields.FIELDS.items()
        for name, rule in table.items()
        if rule.low is not None and rule.high is not None
        for value in (rule.low - 1, rule.high + 1)
    ]


@pytest.mark.parametrize(("kind", "name", "value"), _outside())
def test_every_bounded_field_is_refused_right_outside_its_bounds(kind: str, name: str, value: float) -> None:
    message = why({name: value}, Kind(kind))
    assert message.startswith(f"{name} is {value}")
    assert " to " in message


def test_bounds_are_told_in_full() -> None:
    assert why({"seed": 2**63}) == (
        "seed is 9223372036854775808; it must be a whole number from -1 to 9223372036854775807"
    )


@pytest.mark.parametrize("value", [1, "true", None.__class__, 0.0, [], "yes"])
def test_what_is_no_flag_is_refused(value: Any) -> None:
    assert why({"tiling": value}).startswith("tiling is ")


@pytest.mark.parametrize("name", ["prompt", "negative_prompt", "sampler_name", "hr_upscaler"])
@pytest.mark.parametrize(
    "value", [7, True, [], {}, math.nan, "a\0b", "\x1b[2J", "\ud83d", "x" * 10_001], ids=short
)
def test_what_is_no_text_is_refused(name: str, value: Any) -> None:
    assert why({name: value}).startswith(f"{name} is ")


def test_a_prompt_may_hold_line_ends_tabs_and_any_script() -> None:
    prompt = "a boat,\r\n\tein Boot, 船, 🚤"
    assert read({"prompt": prompt})["prompt"] == prompt


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "a\\..\\b", "~root", "a/../b", "\\\\host\\share"]
)
def test_a_name_is_no_place_on_a_disk(name: str) -> None:
    assert "override_settings.sd_model_checkpoint" in why(
        {"override_settings": {"sd_model_checkpoint": name}}
    )


def test_a_checkpoint_may_lie_in_a_folder_of_the_pack() -> None:
    name = "style/ink..v2.safetensors [0123456789]"
    assert (
        read({"override_settings": {"sd_model_checkpoint": name}})["override_settings"]["sd_model_checkpoint"]
        == name
    )


@pytest.mark.parametrize("seed", [7.0, 7, 7e0])
def test_a_whole_float_is_a_whole_number(seed: float) -> None:
    body = read({"seed": seed})
    assert body["seed"] == 7
    assert isinstance(body["seed"], int)


def test_minus_zero_is_zero() -> None:
    assert read({"eta": -0.0})["eta"] == 0
    assert read({"s_churn": -0.0})["s_churn"] == 0


def test_null_counts_as_not_given() -> None:
    assert read({"prompt": "x", "s_tmax": None, "override_settings": {"sd_vae": None}}) == {
        "prompt": "x",
        "override_settings": {},
    }


def test_a_deeply_nested_value_is_refused_like_any_other() -> None:
    nested: Any = []
    for _ in range(900):
        nested = [nested]
    assert why({"steps": nested}).startswith("steps is [[[")


@pytest.mark.parametrize(
    "name", ["hello", "Prompt", "infotext", "firstpass_image", "x" * 5000, "\ud800", "init_images"]
)
def test_a_field_that_is_not_on_the_list_is_refused_by_name(name: str) -> None:
    assert why({name: 1}).startswith(name[:80])


@pytest.mark.parametrize("name", ["save_images", "do_not_save_grid", "force_task_id"])
def test_a_field_that_does_nothing_here_is_left_out_with_a_warning(name: str) -> None:
    payload = parse_payload(TXT2IMG, {name: "x"})
    assert payload.body == {}
    assert payload.warnings[0].startswith(f"{name} was left out")
    assert parse_payload(TXT2IMG, {name: False}).warnings == ()


@pytest.mark.parametrize("name", ["script_name", "script_args"])
@pytest.mark.parametrize("value", [None, "", "None", [], {}])
def test_a_selectable_script_that_is_none_is_left_out(name: str, value: Any) -> None:
    assert read({name: value}) == {}


@pytest.mark.parametrize(
    "payload",
    [
        {"script_name": "prompts from file or textbox"},
        {"script_args": ["--outpath_samples /etc"]},
        {"script_name": 0},
    ],
)
def test_a_selectable_script_is_refused(payload: dict[str, Any]) -> None:
    assert "selectable scripts" in why(payload)


@pytest.mark.parametrize(
    "name",
    ["outdir_txt2img_samples", "samples_format", "sd_checkpoint_cache", "control_net_models_path", "x" * 500],
)
def test_a_setting_that_is_not_on_the_list_is_refused_by_name(name: str) -> None:
    assert why({"override_settings": {name: 1}}).startswith(f"override_settings.{name[:80]} is not accepted")


@pytest.mark.parametrize("value", [[], "x", 7, True])
@pytest.mark.parametrize("name", ["override_settings", "alwayson_scripts"])
def test_an_object_is_an_object(name: str, value: Any) -> None:
    assert why({name: value}).startswith(f"{name} is ")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("CLIP_stop_at_last_layers", "abc"),
        ("CLIP_stop_at_last_layers", 13),
        ("sd_model_checkpoint", 7),
        ("sd_model_checkpoint", []),
        ("emphasis", "Loud"),
        ("token_merging_ratio", 1),
        ("eta_ddim", math.nan),
    ],
)
def test_a_setting_of_the_wrong_type_never_reaches_the_engine(setting: str, value: Any) -> None:
    assert why({"override_settings": {setting: value}}).startswith(f"override_settings.{setting} is ")


def test_settings_never_outlive_a_job() -> None:
    assert "settings never outlive a job" in why({"override_settings_restore_afterwards": False})
    assert "send_images" in why({"send_images": False})


@pytest.mark.parametrize("name", ["adetailer", "prompts from file or textbox", "", "x" * 500, "refiner"])
def test_a_script_that_is_not_on_the_list_is_refused_by_name(name: str) -> None:
    assert why({"alwayson_scripts": {name: {"args": []}}}).startswith(
        f"alwayson_scripts.{name[:80]} is not accepted"
    )


def test_scripts_are_named_in_lower_case() -> None:
    body = read({"alwayson_scripts": {"Hypertile": {"args": [True, 1, 0.5, "x"]}}})
    assert body["alwayson_scripts"] == {"hypertile": {"args": [True, 1, 0.5, "x"]}}


def test_a_script_named_twice_in_another_case_is_refused() -> None:
    scripts = {"controlnet": {"args": [{}] * 8}, "ControlNet": {"args": [{}] * 8}}
    assert "twice" in why({"alwayson_scripts": scripts})


@pytest.mark.parametrize("arg", [math.nan, math.inf, [], {}, None, "x" * 201, 10**400], ids=short)
def test_an_argument_of_a_script_is_a_number_a_flag_or_a_short_text(arg: Any) -> None:
    assert why({"alwayson_scripts": {"hypertile": {"args": [arg]}}}).startswith(
        "alwayson_scripts.hypertile.args[0] is "
    )


@pytest.mark.parametrize("content", [{"args": {}}, {"args": "x"}, {"args": [0] * 65}, [], "x", None])
def test_a_script_has_a_short_list_of_args(content: Any) -> None:
    assert why({"alwayson_scripts": {"hypertile": content}}).startswith("alwayson_scripts.hypertile")


def test_a_script_has_args_only() -> None:
    assert "alwayson_scripts.hypertile.file" in why(
        {"alwayson_scripts": {"hypertile": {"args": [], "file": "x"}}}
    )


def unit(**keys: Any) -> dict[str, Any]:
    return {"alwayson_scripts": {"controlnet": {"args": [keys]}}}


@pytest.mark.parametrize("key", ["ipadapter_input", "batch_images", "input_mode", "output_dir", "x"])
def test_a_controlnet_key_that_is_not_on_the_list_is_refused_by_name(key: str) -> None:
    assert why(unit(**{key: "gASV"})).startswith(f"alwayson_scripts.controlnet.args[0].{key} is not accepted")


@pytest.mark.parametrize(
    "image", ["/etc/passwd", "http://10.0.0.1/a.png", "aGVsbG8=", {"image": "/etc/passwd"}, 7, []]
)
def test_a_controlnet_image_is_a_picture_never_a_path(image: Any) -> None:
    assert why(unit(image=image)).startswith("alwayson_scripts.controlnet.args[0].image")


def test_a_controlnet_image_has_image_and_mask_only() -> None:
    assert "image.path" in why(unit(image={"image": PNG, "path": "/etc/passwd"}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("resize_mode", 3),
        ("resize_mode", True),
        ("resize_mode", 1.0),
        ("resize_mode", "fit"),
        ("control_mode", []),
        ("weight", 3),
        ("guidance_start", -0.1),
        ("processor_res", 4096),
        ("module", "../x"),
        ("hr_option", "None"),
    ],
)
def test_a_controlnet_value_out_of_bounds_is_refused_by_name(key: str, value: Any) -> None:
    assert why(unit(**{key: value})).startswith(f"alwayson_scripts.controlnet.args[0].{key} is ")


def test_a_whole_controlnet_unit_is_taken() -> None:
    given = {
        "enabled": True,
        "module": "canny",
        "model": "canny [abcd1234]",
        "image": {"image": PNG, "mask": None},
        "weight": 1.0,
        "resize_mode": "Crop and Resize",
        "control_mode": 0,
        "processor_res": 64,
        "pixel_perfect": False,
    }
    payload = parse_payload(TXT2IMG, unit(**given))
    (parsed,) = payload.body["alwayson_scripts"]["controlnet"]["args"]
    assert parsed == given | {"image": {"image": PNG}}
    assert payload.names.controlnet_models == [
        ("alwayson_scripts.controlnet.args[0].model", "canny [abcd1234]")
    ]
    assert payload.names.scripts == [("alwayson_scripts.controlnet", "controlnet")]


def test_there_are_at_most_eight_controlnet_units() -> None:
    assert "at most 8" in why({"alwayson_scripts": {"controlnet": {"args": [{}] * 9}}})
