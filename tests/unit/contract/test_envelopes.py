"""The bodies people already have, as ours."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.unit.contract.pictures import PNG
from webui_async.contract.envelopes import TASKS, open_envelope
from webui_async.contract.errors import ForbiddenField, InvalidPayload, MalformedBody, PipelineError
from webui_async.contract.payload import Kind, parse_payload


def body_of(envelope: dict[str, Any]) -> tuple[Kind, dict[str, Any]]:
    """What would be POSTed to the webui."""
    opened = open_envelope(envelope)
    return opened.kind, parse_payload(opened.kind, opened.payload).body


def test_ours_is_kind_and_payload() -> None:
    opened = open_envelope({"kind": "txt2img", "payload": {"steps": 4}, "ttl_s": 60, "output": None})
    assert (opened.kind, opened.payload, opened.options) == (Kind.TXT2IMG, {"steps": 4}, {"ttl_s": 60})


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"prompt": "x"}, Kind.TXT2IMG),
        ({"init_images": [PNG], "prompt": "x"}, Kind.IMG2IMG),
        ({"image": PNG}, Kind.EXTRA_SINGLE),
        ({"imageList": [{"data": PNG}]}, Kind.EXTRA_BATCH),
    ],
)
def test_a_stock_body_tells_its_kind(body: dict[str, Any], kind: Kind) -> None:
    assert open_envelope(body).kind is kind


@pytest.mark.parametrize("task", list(TASKS))
def test_a_task_envelope_holds_the_payload_of_its_kind(task: str) -> None:
    kind, key = TASKS[task]
    others = {other: None for _, other in TASKS.values() if other != key}
    opened = open_envelope({"task": task, "username": "u", **others, key: {"x": 1}})
    assert (opened.kind, opened.payload) == (kind, {"x": 1})


def test_a_task_payload_with_what_its_senders_write_is_drawn() -> None:
    kind, body = body_of(
        {
            "task": "text-to-image",
            "model": "ink.safetensors",
            "txt2img_payload": {
                "prompt": "x",
                "seed": 7.0,
                "subseed": -1.0,
                "styles": ["None", "None"],
                "s_tmax": math.inf,
                "script_name": "None",
                "script_args": [0, False, "x"],
                "sampler_index": "Euler a",
                "alwayson_scripts": {"ControlNet": [{"enabled": False}]},
                "override_settings": {"sd_vae": "Automatic"},
            },
        }
    )
    assert kind is Kind.TXT2IMG
    assert body == {
        "prompt": "x",
        "seed": 7,
        "subseed": -1,
        "styles": [],
        "sampler_name": "Euler a",
        "alwayson_scripts": {"controlnet": {"args": [{"enabled": False}]}},
        "override_settings": {"sd_model_checkpoint": "ink.safetensors", "sd_vae": "Automatic"},
    }


@pytest.mark.parametrize(
    ("settings", "checkpoint"),
    [
        (None, "ink"),
        ({}, "ink"),
        ({"sd_model_checkpoint": None}, "ink"),
        ({"sd_model_checkpoint": "oil"}, "oil"),
    ],
)
def test_the_payloads_own_checkpoint_goes_before_the_envelopes(settings: Any, checkpoint: str) -> None:
    payload = {"override_settings": settings}
    _, body = body_of({"task": "text-to-image", "model": "ink", "txt2img_payload": payload})
    assert body["override_settings"] == {"sd_model_checkpoint": checkpoint}


def test_a_diffusers_style_body_is_translated() -> None:
    kind, body = body_of(
        {
            "prompt": "x",
            "negative_prompt": "y",
            "num_inference_steps": 20,
            "guidance_scale": 7.5,
            "num_images_per_prompt": 2,
            "width": 512,
            "height": 512,
            "seed": 7,
            "clip_skip": 2,
            "model": "ink",
            "sampler": "DPM++ 2M Karras",
        }
    )
    assert kind is Kind.TXT2IMG
    assert body == {
        "prompt": "x",
        "negative_prompt": "y",
        "steps": 20,
        "cfg_scale": 7.5,
        "batch_size": 2,
        "width": 512,
        "height": 512,
        "seed": 7,
        "sampler_name": "DPM++ 2M",
        "scheduler": "Karras",
        "override_settings": {"CLIP_stop_at_last_layers": 2, "sd_model_checkpoint": "ink"},
    }


@pytest.mark.parametrize("image", [PNG, [PNG]])
def test_a_diffusers_style_body_with_a_picture_is_img2img(image: Any) -> None:
    given = {"prompt": "x", "image": image, "mask_image": PNG, "strength": 0.5, "guidance_scale": 7}
    kind, body = body_of(given)
    assert kind is Kind.IMG2IMG
    assert (body["init_images"], body["mask"], body["denoising_strength"]) == ([PNG], PNG, 0.5)


@pytest.mark.parametrize(
    ("body", "error", "named"),
    [
        ({}, MalformedBody, "kind"),
        ({"hello": 1}, MalformedBody, "kind"),
        ({"kind": "txt2img"}, InvalidPayload, "payload is null"),
        ({"kind": "txt2img", "payload": [1]}, InvalidPayload, r"payload is \[1\]"),
        ({"kind": None, "payload": {}}, InvalidPayload, "kind is null"),
        ({"payload": {}}, InvalidPayload, "kind is null"),
        ({"kind": "txt2img", "payload": {}, "hello": 1}, ForbiddenField, "hello"),
        ({"task": "text-to-video"}, InvalidPayload, "task is"),
        ({"task": ["text-to-image"]}, InvalidPayload, "task is"),
        ({"task": "text-to-image"}, InvalidPayload, "txt2img_payload is null"),
        ({"task": "text-to-image", "img2img_payload": {}}, ForbiddenField, "img2img_payload"),
        ({"task": "text-to-image", "txt2img_payload": {}, "s3_bucket": "x"}, ForbiddenField, "s3_bucket"),
        (
            {"task": "text-to-image", "txt2img_payload": {}, "model": 7},
            InvalidPayload,
            "sd_model_checkpoint is 7",
        ),
        ({"prompt": "x", "guidance_scale": 7, "eta": 0}, ForbiddenField, "eta"),
        (
            {"prompt": "x", "guidance_scale": 7, "clip_skip": 99},
            InvalidPayload,
            "CLIP_stop_at_last_layers is 99",
        ),
        ({"prompt": "x", "guidance_scale": "7"}, InvalidPayload, "cfg_scale is"),
        ({"x" * 10_000: 1, "kind": "txt2img"}, ForbiddenField, "x" * 80),
    ],
)
def test_what_an_envelope_must_not_hold_is_refused_by_name(
    body: dict[str, Any], error: type[PipelineError], named: str
) -> None:
    with pytest.raises(error, match=named):
        body_of(body)


@pytest.mark.parametrize("rubbish", [None, True, 7, math.nan, "x", [], [[]], {}, {"args": 7}])
@pytest.mark.parametrize("task", list(TASKS))
def test_rubbish_in_a_task_payload_is_a_refusal_never_a_crash(task: str, rubbish: Any) -> None:
    for name in (
        "styles",
        "alwayson_scripts",
        "override_settings",
        "script_name",
        "script_args",
        "s_tmax",
        "image",
    ):
        try:
            body_of({"task": task, "model": "ink", TASKS[task][1]: {name: rubbish}})
        except PipelineError as error:
            assert error.http_status in (400, 422)
