import json

import pytest

from diffusers_webui import bodies
from diffusers_webui.errors import InvalidBody
from diffusers_webui.fields import read_body


def read(body, fields=bodies.TXT2IMG):
    return read_body(json.dumps(body).encode(), "application/json", fields)


@pytest.mark.parametrize(
    ("field", "sent", "kept"),
    [
        ("steps", "3", 3),
        ("steps", 2.7, 2),
        ("prompt", 5, "5"),
        ("cfg_scale", "6.5", 6.5),
        ("send_images", "off", False),
        ("alwayson_scripts", [], {}),
        ("styles", [1], ["1"]),
        ("seed", None, None),
    ],
)
def test_values_are_coerced_as_pydantic_1_does(field, sent, kept):
    assert read({field: sent})[field] == kept


@pytest.mark.parametrize(
    ("field", "sent", "kind"),
    [
        ("steps", "2.7", "type_error.integer"),
        ("steps", float("nan"), "type_error.integer"),
        ("cfg_scale", "x", "type_error.float"),
        ("prompt", ["a"], "type_error.str"),
        ("send_images", "maybe", "type_error.bool"),
        ("script_args", "x", "type_error.list"),
        ("alwayson_scripts", "x", "type_error.dict"),
    ],
)
def test_values_that_do_not_fit_are_named(field, sent, kind):
    with pytest.raises(InvalidBody) as caught:
        read({field: sent})
    assert [(one["loc"], one["type"]) for one in caught.value.problems] == [(["body", field], kind)]


def test_every_problem_is_told_at_once():
    with pytest.raises(InvalidBody) as caught:
        read({"steps": "x", "styles": [[], "good"]})
    assert [one["loc"] for one in caught.value.problems] == [["body", "styles", 0], ["body", "steps"]]


@pytest.mark.parametrize(
    ("body", "loc", "kind"),
    [
        ({}, ["body", "imageList"], "value_error.missing"),
        ({"imageList": [{"data": "x"}]}, ["body", "imageList", 0, "name"], "value_error.missing"),
        ({"imageList": [], "resize_mode": 2}, ["body", "resize_mode"], "value_error.const"),
        ({"imageList": [], "upscaling_resize": 0}, ["body", "upscaling_resize"], "value_error.number.not_gt"),
        ({"imageList": [], "upscaler_1": None}, ["body", "upscaler_1"], "type_error.none.not_allowed"),
    ],
)
def test_bounds_of_extras(body, loc, kind):
    with pytest.raises(InvalidBody) as caught:
        read(body, bodies.EXTRA_BATCH)
    assert [(one["loc"], one["type"]) for one in caught.value.problems] == [(loc, kind)]
