"""parse_payload() as a whole: JSON, pictures, work, and that nothing makes it crash."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from tests.unit.contract.pictures import JPEG, PNG, WEBP, b64, png
from tests.unit.contract.refusals import read, short, why
from webui_async.contract import fields
from webui_async.contract.errors import InvalidPayload, MalformedBody, PipelineError, TooMuchWork
from webui_async.contract.fields import Limits
from webui_async.contract.payload import Kind, fill_uploads, parse_json, parse_kind, parse_payload

UPLOAD = "upload:0123456789abcdef0123456789abcdef"
TXT2IMG, IMG2IMG = Kind.TXT2IMG, Kind.IMG2IMG


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", '"x"', "null", "\xff", "[" * 100_000, '{"a": ' * 100_000]
)
def test_what_is_no_json_object_is_malformed(text: str) -> None:
    with pytest.raises(MalformedBody):
        parse_json(text)


def test_a_number_of_too_many_digits_is_malformed() -> None:
    with pytest.raises(MalformedBody):
        parse_json('{"seed": ' + "1" * 5000 + "}")


def test_bytes_with_a_byte_order_mark_are_read() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_bytes_that_are_no_text_are_malformed() -> None:
    with pytest.raises(MalformedBody):
        parse_json(b'{"a": "\xff"}')


def test_the_last_of_two_equal_names_holds_as_in_the_webui() -> None:
    assert parse_json('{"steps": 1, "steps": 2}') == {"steps": 2}


@pytest.mark.parametrize("value", ["video", "", None, 7, [], {}, "TXT2IMG"])
def test_an_unknown_kind_is_refused_by_name(value: object) -> None:
    with pytest.raises(InvalidPayload, match=r"kind is .*txt2img"):
        parse_kind(value)


@pytest.mark.parametrize("image", [PNG, JPEG, WEBP])
def test_a_picture_is_passed_on_as_bare_base64(image: str) -> None:
    given = f"data:image/x;base64,{image[:20]}\n{image[20:]}"
    assert read({"init_images": [given]}, IMG2IMG)["init_images"] == [image]


def test_a_small_jpeg_though_its_base64_starts_with_a_slash_is_a_picture() -> None:
    assert JPEG.startswith("/")
    assert read({"init_images": [JPEG]}, IMG2IMG)["init_images"] == [JPEG]


NO_PICTURES = [
    "",
    "x",
    "!!!!",
    "/etc/passwd",
    "file:///etc/passwd",
    "http://169.254.169.254/latest",
    "s3://bucket/key",
    "caf\u00e9",
    "aGVsbG8=",
    PNG[:-1],
    b64(b"\x89PNG\r\n\x1a\n"),
    b64(b"\xff\xd8"),
    b64(b"RIFF\0\0\0\0WEBPVP8X"),
    "upload:x",
    "upload:0123456789ABCDEF0123456789ABCDEF",
    "upload:../../etc",
    "data:text/html;base64,PGI+",
    "data:image/png,x",
    7,
    True,
    None,
    [],
    {},
    "\ud800",
]


@pytest.mark.parametrize("image", NO_PICTURES, ids=short)
def test_what_is_no_picture_is_refused_by_place(image: Any) -> None:
    assert why({"init_images": [PNG, image]}, IMG2IMG).startswith("init_images[1] is ")


def test_a_picture_of_too_many_pixels_is_refused() -> None:
    assert "5000x4000" in why({"init_images": [b64(png(5000, 4000))]}, IMG2IMG)
    assert why({"init_images": [b64(png(0, 7))]}, IMG2IMG)


@pytest.mark.parametrize(
    ("kind", "field"),
    [(IMG2IMG, "init_images"), (Kind.EXTRA_SINGLE, "image"), (Kind.EXTRA_BATCH, "imageList")],
)
@pytest.mark.parametrize("value", ["absent", None, []])
def test_a_kind_that_needs_a_picture_says_so(kind: Kind, field: str, value: Any) -> None:
    assert why({} if value == "absent" else {field: value}, kind).startswith(f"{field} is ")


@pytest.mark.parametrize("value", [PNG, {}, [PNG] * 17, 7])
def test_pictures_are_a_short_list(value: Any) -> None:
    assert why({"init_images": value}, IMG2IMG).startswith("init_images is ")


def test_uploads_are_collected_with_their_places() -> None:
    payload = parse_payload(IMG2IMG, {"init_images": [UPLOAD], "mask": UPLOAD})
    assert payload.uploads == (("init_images[0]", UPLOAD[7:]), ("mask", UPLOAD[7:]))
    filled = fill_uploads(payload.body, lambda upload_id: f"<{upload_id[:4]}>")
    assert filled == {"init_images": ["<0123>"], "mask": "<0123>"}


@pytest.mark.parametrize(
    "entry",
    [PNG, {}, {"data": PNG, "path": "x"}, {"data": PNG, "name": 7}, {"data": PNG, "name": "../x"}, None],
)
def test_an_entry_of_an_image_list_has_data_and_name(entry: Any) -> None:
    assert why({"imageList": [entry]}, Kind.EXTRA_BATCH).startswith("imageList[0]")


def test_work_is_width_x_height_x_steps_x_pictures() -> None:
    payload = parse_payload(TXT2IMG, {"width": 64, "height": 128, "steps": 10, "batch_size": 2, "n_iter": 3})
    assert payload.pixel_steps == 64 * 128 * 10 * 6


def test_a_silent_payload_is_reckoned_with_the_webuis_defaults() -> None:
    assert parse_payload(TXT2IMG, {}).pixel_steps == 512 * 512 * 50


@pytest.mark.parametrize(
    ("hires", "second"),
    [
        ({"hr_scale": 2.0}, 128 * 128 * 10),
        ({}, 128 * 128 * 10),
        ({"hr_second_pass_steps": 5}, 128 * 128 * 5),
        ({"hr_resize_x": 256, "hr_resize_y": 128}, 256 * 128 * 10),
        ({"hr_resize_x": 256}, 256 * 256 * 10),
    ],
)
def test_hires_fix_counts_its_second_pass(hires: dict[str, Any], second: int) -> None:
    body = {"width": 64, "height": 64, "steps": 10, "enable_hr": True, **hires}
    assert parse_payload(TXT2IMG, body).pixel_steps == 64 * 64 * 10 + second


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (TXT2IMG, {"width": 2048, "height": 2048, "steps": 150, "n_iter": 16}),
        (TXT2IMG, {"enable_hr": True, "hr_scale": 8, "width": 1024, "height": 1024, "steps": 1}),
        (TXT2IMG, {"enable_hr": True, "width": 64, "height": 2048, "hr_resize_x": 4096, "steps": 1}),
        (Kind.EXTRA_SINGLE, {"image": b64(png(4096, 4096)), "upscaling_resize": 2}),
        (Kind.EXTRA_BATCH, {"imageList": [{"data": b64(png(4096, 1024))}], "upscaling_resize": 8}),
    ],
)
def test_more_work_than_a_job_may_ask_for_is_refused(kind: Kind, payload: dict[str, Any]) -> None:
    with pytest.raises(TooMuchWork):
        parse_payload(kind, payload)


def test_the_endpoints_own_limit_holds() -> None:
    with pytest.raises(TooMuchWork, match="takes 1000"):
        parse_payload(TXT2IMG, {"width": 64, "height": 64, "steps": 1}, Limits(max_pixel_steps=1000))


def test_what_was_parsed_parses_to_itself() -> None:
    given = {
        "prompt": "x",
        "seed": 7.0,
        "sampler_index": "DPM++ 2M Karras",
        "script_name": "None",
        "alwayson_scripts": {"ControlNet": {"args": [{"image": f"data:image/png;base64,{PNG}"}]}},
    }
    once = read(given)
    assert read(once) == once
    json.dumps(once, allow_nan=False)


@pytest.mark.parametrize("kind", list(Kind))
def test_random_rubbish_in_any_field_is_a_refusal_never_a_crash(kind: Kind) -> None:
    rubbish: list[Any] = [
        None,
        True,
        0,
        -1,
        2**70,
        -0.0,
        math.nan,
        math.inf,
        1e308,
        "",
        "x",
        "\0",
        "\ud800",
        "../x",
        [],
        [[]],
        [None],
        {},
        {"": {}},
        {"args": [{}]},
        {"controlnet": {"args": [None]}},
        [{"data": []}],
        "upload:" + "0" * 32,
    ]
    for name in [*fields.FIELDS[kind.value], *fields.DROPPED, *fields.REFUSED, *fields.SELECTABLE]:
        for value in rubbish:
            try:
                json.dumps(parse_payload(kind, {name: value}).body, allow_nan=False).encode()
            except PipelineError as error:
                assert error.http_status == 422, (name, value)
