"""What must not get in, over real HTTP: refused by name before any GPU time, and nothing of it is written."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.e2e.road import PAYLOAD, Road
from tests.faulty_webui.replies import make_png
from webui_async.contract import keys

PICTURE = make_png(64, 64, 1, "")
STRANGER = "01948f3e-7a10-7cc1-9b5e-3f0a6c2d8e41"
#: In a field of its own, so that the refusal can only be about it.
_PAYLOADS: dict[str, tuple[dict[str, Any], int, str, tuple[str, ...]]] = {
    "width over the bound": ({"width": 4096}, 422, "invalid_payload", ("width", "4096")),
    "height no multiple of 8": ({"height": 65}, 422, "invalid_payload", ("height", "65", "8")),
    "steps over the bound": ({"steps": 151}, 422, "invalid_payload", ("steps", "151", "150")),
    "no steps": ({"steps": 0}, 422, "invalid_payload", ("steps", "0")),
    "batch over the bound": ({"batch_size": 9}, 422, "invalid_payload", ("batch_size", "9", "8")),
    "too many rounds": ({"n_iter": 17}, 422, "invalid_payload", ("n_iter", "17", "16")),
    "too much work": (
        {"width": 2048, "height": 2048, "steps": 150, "batch_size": 8},
        422,
        "too_much_work",
        ("width x height x steps", "5033164800"),
    ),
    "text for a number": ({"steps": "20"}, 422, "invalid_payload", ("steps", '"20"')),
    "a number for text": ({"prompt": 7}, 422, "invalid_payload", ("prompt", "7")),
    "a list for a flag": ({"tiling": [True]}, 422, "invalid_payload", ("tiling", "[True]")),
    "a flag for a number": ({"steps": True}, 422, "invalid_payload", ("steps", "true")),
    "an unknown field": ({"stepz": 20}, 422, "forbidden_field", ("stepz",)),
    "a field callers must not use": ({"infotext": "Steps: 3"}, 422, "forbidden_field", ("infotext",)),
    "a sampler that is not there": (
        {"sampler_name": "Eulr"},
        422,
        "unknown_sampler",
        ("sampler_name", "'Eulr'", "Euler a"),
    ),
    "a scheduler that is not there": (
        {"scheduler": "Kerras"},
        422,
        "unknown_scheduler",
        ("scheduler", "'Kerras'", "Karras"),
    ),
    "a checkpoint that is not there": (
        {"override_settings": {"sd_model_checkpoint": "sdxl"}},
        422,
        "unknown_checkpoint",
        ("sd_model_checkpoint", "'sdxl'", "tiny-painter"),
    ),
    "a LoRA that is not there": (
        {"prompt": "a star <lora:boats:1>"},
        422,
        "unknown_lora",
        ("prompt", "'boats'", "blueprint"),
    ),
    "an upscaler that is not there": (
        {"enable_hr": True, "hr_upscaler": "4x-Ultra"},
        422,
        "unknown_upscaler",
        ("hr_upscaler", "'4x-Ultra'", "Lanczos"),
    ),
    "a setting callers must not use": (
        {"override_settings": {"outdir_samples": "/etc"}},
        422,
        "forbidden_field",
        ("override_settings.outdir_samples",),
    ),
    "a script callers must not use": (
        {"alwayson_scripts": {"Dynamic Prompts": {"args": []}}},
        422,
        "forbidden_field",
        ("alwayson_scripts.Dynamic Prompts", "controlnet"),
    ),
    "a selectable script": ({"script_name": "X/Y/Z plot"}, 422, "forbidden_field", ("script_name",)),
    "a ControlNet key callers must not use": (
        {"alwayson_scripts": {"controlnet": {"args": [{"ipadapter_input": ["gASV"]}]}}},
        422,
        "forbidden_field",
        ("alwayson_scripts.controlnet.args[0].ipadapter_input",),
    ),
}
_PICTURES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "bad base64": ("%%%", "invalid_payload", ("init_images[0]", '"%%%"', "base64")),
    "no picture": ("aGVsbG8=", "invalid_payload", ("init_images[0]", "not a PNG")),
    "a link": ("http://169.254.169.254/latest", "invalid_payload", ("init_images[0]", "169.254.169.254")),
    "a path": ("/etc/passwd", "invalid_payload", ("init_images[0]", "/etc/passwd")),
    "an upload that is not there": ("upload:" + "0" * 32, "unknown_upload", ("init_images[0]", "0" * 32)),
}
_TEXTS: dict[str, tuple[str, int, str, tuple[str, ...]]] = {
    "no JSON": ('{"kind": "txt2img", ', 400, "malformed_body", ("not JSON",)),
    "an empty body": ("", 400, "malformed_body", ("not JSON",)),
    "a list": ("[]", 400, "malformed_body", ("list", "object")),
    "no envelope that is known": ('{"style": "ink"}', 400, "malformed_body", ("kind", "payload")),
    "an unknown kind": ('{"kind": "video", "payload": {}}', 422, "invalid_payload", ("kind", '"video"')),
    "no payload": ('{"kind": "txt2img"}', 422, "invalid_payload", ("payload", "null")),
    "a payload that is a list": ('{"kind": "txt2img", "payload": []}', 422, "invalid_payload", ("payload",)),
    "a field beside the payload": (
        '{"kind": "txt2img", "payload": {}, "webhook": "x"}',
        422,
        "forbidden_field",
        ("webhook",),
    ),
    "NaN": (
        '{"kind": "txt2img", "payload": {"cfg_scale": NaN}}',
        422,
        "invalid_payload",
        ("cfg_scale", "nan"),
    ),
    "Infinity": (
        '{"kind": "txt2img", "payload": {"steps": Infinity}}',
        422,
        "invalid_payload",
        ("steps", "inf"),
    ),
    "a number without end": (
        '{"kind": "txt2img", "payload": {"cfg_scale": 1e999}}',
        422,
        "invalid_payload",
        ("cfg_scale", "inf"),
    ),
}
_OPTIONS: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "a ttl below the bound": ({"ttl_s": 5}, "invalid_payload", ("ttl_s", "5", "60")),
    "a ttl over the bound": ({"ttl_s": 99999}, "invalid_payload", ("ttl_s", "99999", "21600")),
    "an unknown format": ({"output": {"format": "gif"}}, "invalid_payload", ("output.format", '"gif"')),
    "an unknown output": ({"output": {"bucket": "x"}}, "forbidden_field", ("output.bucket",)),
}
_CALLBACKS = (
    "https://127.0.0.1/hook",
    "https://127.0.0.1:8443/hook",
    "https://169.254.169.254/latest/meta-data/",
    "https://localhost/hook",
    "https://[::1]/hook",
    "https://[::ffff:127.0.0.1]/hook",
    "https://10.0.0.8/hook",
    "https://2130706433/hook",
    "https://0x7f.1/hook",
    "https://metadata.google.internal/computeMetadata/v1/",
    "https://instance-data.ec2.internal/latest/",
    "https://metadata/latest",
    "http://example.com/hook",
    "https://name:word@example.com/hook",
    "ftp://example.com/hook",
    "hook",
)


@pytest.fixture
def call(road: Road) -> Iterator[Any]:
    """call(method, path, body) -> the answer; afterwards there is no more of any job than before."""

    def written() -> set[str]:
        prefixes = (keys.JOBS, keys.ACTIVE, "index/", "idempotency/")
        found = (entry.key for prefix in prefixes for entry in road.stack.store.list(prefix))
        return {keys.job_id_of(key) or key for key in found}

    def send(method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        data = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
        key = {"x-api-key": road.stack.cloud.api_key.value, "content-type": "application/json"}
        return requests.request(
            method, f"{road.stack.api_url}{path}", data=data, headers=key | headers, timeout=30
        )

    before = written()
    yield send
    assert written() == before


def assert_refused(answer: requests.Response, status: int, code: str, *words: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert {"type", "title", "status", "code", "detail"} <= set(problem)
    assert (problem["status"], problem["code"]) == (status, code), problem
    for word in words:
        assert word in problem["detail"]


def order(payload: Any, kind: str = "txt2img", **options: Any) -> dict[str, Any]:
    return {"kind": kind, "payload": payload} | options


# The body -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", _PAYLOADS)
@pytest.mark.parametrize("route", ["/jobs", "/sdapi/v1/txt2img"])
def test_a_payload_that_cannot_be_drawn_is_refused_by_field_and_value(
    call: Any, route: str, name: str
) -> None:
    fields, status, code, words = _PAYLOADS[name]
    payload = PAYLOAD | fields
    assert_refused(call("POST", route, order(payload) if route == "/jobs" else payload), status, code, *words)


@pytest.mark.parametrize("name", _PICTURES)
def test_a_picture_that_cannot_be_read_is_refused_by_field(call: Any, name: str) -> None:
    picture, code, words = _PICTURES[name]
    payload = PAYLOAD | {"init_images": [picture]}
    assert_refused(call("POST", "/jobs", order(payload, "img2img")), 422, code, *words)


@pytest.mark.parametrize("name", _TEXTS)
def test_a_body_that_is_no_order_is_refused(call: Any, name: str) -> None:
    text, status, code, words = _TEXTS[name]
    assert_refused(call("POST", "/jobs", text), status, code, *words)


@pytest.mark.parametrize("name", _OPTIONS)
def test_an_option_out_of_bounds_is_refused_by_field_and_value(call: Any, name: str) -> None:
    options, code, words = _OPTIONS[name]
    assert_refused(call("POST", "/jobs", order(PAYLOAD, **options)), 422, code, *words)


@pytest.mark.parametrize("url", _CALLBACKS)
def test_a_callback_to_a_private_address_is_refused_before_the_job_is_taken(call: Any, url: str) -> None:
    answer = call("POST", "/jobs", order(PAYLOAD, callback_url=url))
    assert_refused(answer, 422, "callback_refused", "callback_url", url[:40])


@pytest.mark.parametrize("size_mb", [6, 11])
def test_a_body_over_the_limit_is_413_and_names_the_way_to_send_it(call: Any, size_mb: int) -> None:
    payload = PAYLOAD | {"init_images": ["A" * size_mb * 1_000_000]}
    answer = call("POST", "/jobs", order(payload, "img2img"))
    assert_refused(answer, 413, "body_too_large", "POST /uploads")


# Who asks, and for what -----------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{"x-api-key": ""}, {"x-api-key": "not-a-key"}], ids=["none", "wrong"])
@pytest.mark.parametrize(("method", "path"), [("POST", "/jobs"), ("GET", "/jobs"), ("GET", "/models")])
def test_without_a_good_key_every_call_is_403(
    call: Any, headers: dict[str, str], method: str, path: str
) -> None:
    assert_refused(call(method, path, order(PAYLOAD), **headers), 403, "no_api_key", "x-api-key")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/job"), ("PUT", "/jobs"), ("POST", "/sdapi/v1/txt2vid"), ("GET", "/admin/x")],
)
def test_a_route_that_is_not_there_is_404_by_name(call: Any, method: str, path: str) -> None:
    assert_refused(call(method, path), 404, "unknown_route", method, path)


@pytest.mark.parametrize(
    ("method", "tail"),
    [("GET", ""), ("GET", "/wait"), ("GET", "/images/0"), ("POST", "/cancel"), ("DELETE", "")],
)
@pytest.mark.parametrize("job_id", [STRANGER, "not-an-id"])
def test_a_job_that_is_not_there_is_404_by_name(call: Any, job_id: str, method: str, tail: str) -> None:
    answer = call(method, f"/jobs/{job_id}{tail}")
    assert_refused(answer, 404, "unknown_job", job_id)


@pytest.mark.parametrize(
    ("method", "tail"),
    [("GET", ""), ("GET", "/wait"), ("GET", "/images/0"), ("POST", "/cancel"), ("DELETE", "")],
)
def test_another_owner_s_job_is_as_if_it_were_not_there(road: Road, method: str, tail: str) -> None:
    job = road.wait(road.submit().id)
    other = road.stack.cloud.add_api_key("stranger")
    url = f"{road.stack.api_url}/jobs/{job.id}{tail}"
    answer = requests.request(method, url, headers={"x-api-key": other.value}, timeout=30)
    assert_refused(answer, 404, "unknown_job", job.id)
    assert len(road.client.status(job.id).images) == 1


def test_another_owner_s_upload_is_not_there(road: Road, call: Any) -> None:
    with road.stack.client("painter") as other:
        theirs = other.upload(base64.b64decode(PICTURE))
    payload = PAYLOAD | {"init_images": [theirs]}
    answer = call("POST", "/jobs", order(payload, "img2img"))
    assert_refused(answer, 422, "unknown_upload", "init_images[0]", theirs.removeprefix("upload:"))


@pytest.fixture
def drawn_once(road: Road) -> str:
    """The id of the job that the Idempotency-Key `drawn-once` stands for."""
    return road.submit(idempotency_key="drawn-once").id


def test_an_idempotency_key_used_again_for_another_body_is_refused(drawn_once: str, call: Any) -> None:
    header = {"Idempotency-Key": "drawn-once"}
    answer = call("POST", "/jobs", order(PAYLOAD | {"seed": 2}), **header)
    assert_refused(answer, 409, "idempotency_conflict", "drawn-once")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"size_bytes": 64_000_001, "content_type": "image/png"}, ("size_bytes", "64000001")),
        ({"size_bytes": 0, "content_type": "image/png"}, ("size_bytes", "0")),
        ({"size_bytes": "4", "content_type": "image/png"}, ("size_bytes", '"4"')),
        ({"size_bytes": 4, "content_type": "text/html"}, ("content_type", "text/html")),
    ],
)
def test_an_upload_out_of_bounds_is_refused(call: Any, body: dict[str, Any], words: tuple[str, ...]) -> None:
    assert_refused(call("POST", "/uploads", body), 422, "invalid_payload", *words)


@pytest.mark.parametrize(
    ("query", "word"), [("limit=0", "limit"), ("limit=many", "limit"), ("status=done", "status")]
)
def test_a_listing_out_of_bounds_is_refused(call: Any, query: str, word: str) -> None:
    assert_refused(call("GET", f"/jobs?{query}"), 422, "invalid_payload", word, query.partition("=")[2])
