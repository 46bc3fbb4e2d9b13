"""submit: what is accepted and written, what is refused with nothing written, what a crash leaves."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from handlers import http, reap

from tests.unit.handlers.front import PNG, Answer, Front
from tests.unit.handlers.stage import ENDPOINT, OWNER, Killed, Stage, open_stage
from webui_async.contract import keys
from webui_async.contract.errors import StoreError
from webui_async.contract.fields import Limits
from webui_async.contract.job import Image, Job, Result, Status

JOB = {"kind": "txt2img", "payload": {"prompt": "a red boat", "steps": 4}}
STOCK = {"prompt": "a red boat", "steps": 4}
UPLOAD = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def front() -> Iterator[Front]:
    with open_stage() as stage:
        yield Front(stage)


def job_of(front: Front, answer: Answer) -> Job:
    job = front.stage.store.job(answer.json["id"])
    assert job is not None
    return job


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "InvokeEndpointAsync")


# What is accepted -------------------------------------------------------------------------------------------


def test_a_job_is_written_queued_and_answered_with_202(front: Front) -> None:
    answer = front.call("POST", "/jobs", JOB)
    job = job_of(front, answer)
    assert answer.status == 202
    assert answer.headers["Location"].endswith(f"/v1/jobs/{job.id}")
    assert answer.json["status"] == "queued"
    assert answer.json["queue_ahead"] == 0
    assert answer.json["output_uri"] == f"s3://bucket/jobs/{job.id}/result.json"
    assert sorted(front.all_keys()) == sorted(
        [
            keys.active(job.id, OWNER),
            keys.index(job.id, OWNER),
            keys.request(job.id),
            keys.queued(job.id, 1),
        ]
    )
    assert (job.payload, job.owner, job.stock_route) == (JOB["payload"], OWNER, False)
    (invocation,) = front.stage.runtime.invocations
    assert invocation["InferenceId"] == job.id
    assert invocation["InputLocation"] == f"s3://bucket/{keys.request(job.id)}"


def test_queue_ahead_counts_everybodys_unfinished_jobs(front: Front) -> None:
    for owner in ("owner-1", "owner-2", "owner-3"):
        front.call("POST", "/jobs", JOB, owner=owner)
    assert front.call("POST", "/jobs", JOB).json["queue_ahead"] == 3


def test_callback_output_and_ttl_are_kept(front: Front) -> None:
    options = {"callback_url": "https://hooks.example.com/x", "output": {"format": "webp"}, "ttl_s": 600}
    job = job_of(front, front.call("POST", "/jobs", JOB | options))
    assert job.callback_url == "https://hooks.example.com/x"
    assert job.output == {"format": "webp"}
    assert job.expires_at - job.created_at == pytest.approx(600, abs=0.002)  # an id knows milliseconds
    assert front.stage.runtime.invocations[0]["RequestTTLSeconds"] in (599, 600)


@pytest.mark.parametrize(
    "body",
    [
        JOB,
        {"prompt": "a red boat", "steps": 4},
        {
            "task": "text-to-image",
            "model": "ink",
            "txt2img_payload": {"prompt": "x", "seed": 7.0, "s_tmax": None},
        },
        {"prompt": "a red boat", "num_inference_steps": 4, "guidance_scale": 7},
    ],
    ids=["ours", "stock", "task", "diffusers"],
)
def test_every_known_envelope_is_taken(front: Front, body: dict[str, Any]) -> None:
    front.put_catalog()
    assert front.call("POST", "/jobs", body).status == 202


def test_without_a_catalog_names_are_left_to_the_container(front: Front) -> None:
    body = {"kind": "txt2img", "payload": {"prompt": "x", "sampler_name": "whatever"}}
    assert front.call("POST", "/jobs", body).status == 202


def test_an_upload_of_ones_own_is_taken(front: Front) -> None:
    front.stage.store.put_bytes(keys.upload(OWNER, UPLOAD), b"x", "image/png")
    body = {"kind": "img2img", "payload": {"init_images": [f"upload:{UPLOAD}"]}}
    assert front.call("POST", "/jobs", body).status == 202


# What is refused, with nothing written ----------------------------------------------------------------------


def txt2img(**fields: Any) -> dict[str, Any]:
    return {"kind": "txt2img", "payload": {"prompt": "x", **fields}}


def img2img(image: Any) -> dict[str, Any]:
    return {"kind": "img2img", "payload": {"init_images": [image]}}


REFUSED: list[tuple[str, Any, int, str, list[str]]] = [
    ("malformed JSON", '{"kind": ', 400, "malformed_body", ["not JSON"]),
    ("no object", "[1, 2]", 400, "malformed_body", ["list"]),
    ("no envelope", {"hello": 1}, 400, "malformed_body", ["kind"]),
    (
        "NaN",
        '{"kind": "txt2img", "payload": {"cfg_scale": NaN}}',
        422,
        "invalid_payload",
        ["cfg_scale", "nan"],
    ),
    ("Infinity", '{"kind": "txt2img", "payload": {"eta": Infinity}}', 422, "invalid_payload", ["eta", "inf"]),
    (
        "1e400",
        '{"kind": "txt2img", "payload": {"cfg_scale": 1e400}}',
        422,
        "invalid_payload",
        ["cfg_scale", "inf"],
    ),
    ("text for a number", txt2img(steps="20"), 422, "invalid_payload", ["steps", '"20"', "1 to 150"]),
    ("flag for a number", txt2img(steps=True), 422, "invalid_payload", ["steps", "true"]),
    (
        "unknown kind",
        {"kind": "video", "payload": {}},
        422,
        "invalid_payload",
        ["kind", '"video"', "txt2img"],
    ),
    ("unknown field", txt2img(hello=1), 422, "forbidden_field", ["hello", "txt2img"]),
    ("unknown envelope field", JOB | {"priority": 1}, 422, "forbidden_field", ["priority"]),
    ("width", txt2img(width=100_000), 422, "invalid_payload", ["width", "100000", "2048"]),
    ("width not of 8", txt2img(width=513), 422, "invalid_payload", ["width", "513", "8"]),
    ("steps", txt2img(steps=151), 422, "invalid_payload", ["steps", "151"]),
    ("batch", txt2img(batch_size=9), 422, "invalid_payload", ["batch_size", "9"]),
    (
        "too much work",
        txt2img(width=2048, height=2048, steps=150, batch_size=8),
        422,
        "too_much_work",
        ["width", "2500000000"],
    ),
    (
        "unknown sampler",
        txt2img(sampler_name="k_euler"),
        422,
        "unknown_sampler",
        ["sampler_name", "k_euler", "Euler a"],
    ),
    ("unknown scheduler", txt2img(scheduler="Zig"), 422, "unknown_scheduler", ["scheduler", "Zig", "Karras"]),
    (
        "unknown checkpoint",
        txt2img(override_settings={"sd_model_checkpoint": "oil"}),
        422,
        "unknown_checkpoint",
        ["override_settings.sd_model_checkpoint", "oil", "ink"],
    ),
    ("unknown LoRA", txt2img(prompt="<lora:cats:1>"), 422, "unknown_lora", ["prompt", "cats", "boats"]),
    ("bad base64", img2img("!!!!"), 422, "invalid_payload", ["init_images[0]", "!!!!", "base64"]),
    ("no picture", img2img("aGVsbG8="), 422, "invalid_payload", ["init_images[0]", "not a PNG"]),
    ("a link", img2img("http://169.254.169.254/"), 422, "invalid_payload", ["init_images[0]", "169.254"]),
    ("unknown upload", img2img(f"upload:{'0' * 32}"), 422, "unknown_upload", ["init_images[0]", "0" * 32]),
    ("another's upload", img2img(f"upload:{UPLOAD}"), 422, "unknown_upload", ["init_images[0]", UPLOAD]),
    (
        "a setting",
        txt2img(override_settings={"outdir_samples": "/etc"}),
        422,
        "forbidden_field",
        ["override_settings.outdir_samples"],
    ),
    (
        "a script",
        txt2img(alwayson_scripts={"adetailer": {"args": []}}),
        422,
        "forbidden_field",
        ["alwayson_scripts.adetailer", "controlnet"],
    ),
    ("a selectable script", txt2img(script_name="x/y/z plot"), 422, "forbidden_field", ["script_name"]),
    (
        "a private callback",
        JOB | {"callback_url": "https://10.0.0.1/"},
        422,
        "callback_refused",
        ["10.0.0.1"],
    ),
    ("a plain callback", JOB | {"callback_url": "http://a.example.com/"}, 422, "callback_refused", ["https"]),
    ("a callback of no text", JOB | {"callback_url": 7}, 422, "callback_refused", ["callback_url", "7"]),
    ("ttl_s", JOB | {"ttl_s": 59}, 422, "invalid_payload", ["ttl_s", "59", "60 to 21600"]),
    ("ttl_s NaN", json.dumps(JOB)[:-1] + ', "ttl_s": NaN}', 422, "invalid_payload", ["ttl_s", "nan"]),
    ("ttl_s text", JOB | {"ttl_s": "600"}, 422, "invalid_payload", ["ttl_s", '"600"']),
    ("output", JOB | {"output": "png"}, 422, "invalid_payload", ["output", '"png"']),
    (
        "output.format",
        JOB | {"output": {"format": "gif"}},
        422,
        "invalid_payload",
        ["output.format", "gif", "webp"],
    ),
    ("output.format list", JOB | {"output": {"format": []}}, 422, "invalid_payload", ["output.format"]),
    ("output.quality", JOB | {"output": {"quality": 9}}, 422, "forbidden_field", ["output.quality"]),
    ("too large", '{"x": "' + "x" * Limits.max_body_bytes + '"}', 413, "body_too_large", ["upload"]),
]


@pytest.mark.parametrize(
    ("body", "status", "code", "named"), [case[1:] for case in REFUSED], ids=[c[0] for c in REFUSED]
)
def test_bad_input_is_refused_by_name_and_leaves_nothing(
    front: Front, body: Any, status: int, code: str, named: list[str]
) -> None:
    front.put_catalog()
    front.stage.store.put_bytes(keys.upload("owner-2", UPLOAD), b"x", "image/png")
    answer = front.call("POST", "/jobs", body, headers={"Idempotency-Key": "k-1"})
    assert (answer.status, answer.code) == (status, code)
    for name in named:
        assert name in answer.detail
    assert front.all_keys() == []
    assert front.stage.runtime.invocations == []


@pytest.mark.parametrize(
    "extra", [{"callback_url": "https://a.example.com/"}, {"ttl_s": 600}, {"kind": "txt2img"}]
)
def test_a_stock_body_has_the_stock_fields_only(front: Front, extra: dict[str, Any]) -> None:
    answer = front.call("POST", "/sdapi/v1/txt2img", STOCK | extra)
    assert answer.code == "forbidden_field"
    assert next(iter(extra)) in answer.detail
    assert front.all_keys() == []


@pytest.mark.parametrize("owner", [None, "", "a/b", "x" * 65])
def test_a_call_without_a_usable_key_is_refused(front: Front, owner: str | None) -> None:
    answer = front.call("POST", "/jobs", JOB, owner=owner)
    assert (answer.status, answer.code) == (403, "no_api_key")
    assert front.all_keys() == []


def test_an_owner_has_a_bounded_number_of_unfinished_jobs() -> None:
    with open_stage() as stage:
        front = Front(stage, max_active_jobs=2)
        for owner in ("owner-1", "owner-1", "owner-2"):
            assert front.call("POST", "/jobs", JOB, owner=owner).status == 202
        before = front.all_keys()
        answer = front.call("POST", "/jobs", JOB)
        assert (answer.status, answer.code) == (429, "too_many_jobs")
        assert "2 unfinished jobs" in answer.detail
        assert front.all_keys() == before
        assert front.call("POST", "/jobs", JOB, owner="owner-2").status == 202


# When SageMaker says no -------------------------------------------------------------------------------------


def test_a_refusal_for_good_undoes_everything(front: Front) -> None:
    front.stage.runtime.error = refusal("ValidationException")
    answer = front.call("POST", "/jobs", JOB, headers={"Idempotency-Key": "k-1"})
    assert (answer.status, answer.code) == (503, "endpoint_refused")
    assert front.all_keys() == []


def test_a_repeat_that_is_refused_does_not_undo_the_job_that_was_accepted(front: Front) -> None:
    with front.stage.killed_before_write(5):  # after request.json, before attempt 1
        keyed(front)
    front.stage.runtime.error = refusal("ValidationException")
    answer = keyed(front)
    assert answer.status == 202
    front.stage.runtime.error = None
    front.stage.runtime.invocations.clear()
    run_reap(front.stage)
    assert [call["InferenceId"] for call in front.stage.runtime.invocations] == [answer.json["id"]]


def test_a_claim_of_a_call_that_died_long_ago_makes_a_job_that_is_not_expired(front: Front) -> None:
    with front.stage.killed_before_write(2):  # after the claim
        keyed(front)
    front.clock += 5 * 3600
    job = job_of(front, keyed(front))
    assert job.expires_at > front.clock + 3600


def test_a_refusal_that_can_pass_leaves_the_job_to_reap(front: Front) -> None:
    front.stage.runtime.error = refusal("ThrottlingException")
    answer = front.call("POST", "/jobs", JOB)
    assert answer.status == 202
    attempt = front.stage.store.attempt(answer.json["id"], 1)
    assert attempt is not None
    assert attempt.invoked_at is None
    front.stage.runtime.error = None
    run_reap(front.stage)
    assert [call["InferenceId"] for call in front.stage.runtime.invocations] == [answer.json["id"]]


def run_reap(stage: Stage) -> None:
    """reap after everything has grown old enough for it."""

    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 200_000

    stage.offset_s = 200.0
    reap.reap(stage.world, Context())


# Idempotency ------------------------------------------------------------------------------------------------


def keyed(front: Front, body: Any = JOB, path: str = "/jobs", **more: Any) -> Answer:
    return front.call(
        "POST", path, body, headers={"Idempotency-Key": "k-1", **more.pop("headers", {})}, **more
    )


def test_one_key_and_one_body_are_one_job(front: Front) -> None:
    first, again = keyed(front), keyed(front)
    assert (first.status, again.status) == (202, 202)
    assert first.json["id"] == again.json["id"]
    assert len(front.stage.runtime.invocations) == 1


@pytest.mark.parametrize(
    ("body", "path"),
    [(JOB | {"ttl_s": 600}, "/jobs"), (STOCK, "/sdapi/v1/txt2img")],
    ids=["another body", "another route"],
)
def test_one_key_and_another_body_conflict(front: Front, body: Any, path: str) -> None:
    keyed(front)
    before = front.all_keys()
    answer = keyed(front, body, path)
    assert (answer.status, answer.code) == (409, "idempotency_conflict")
    assert "k-1" in answer.detail
    assert front.all_keys() == before


def test_a_key_is_its_owners(front: Front) -> None:
    assert keyed(front).json["id"] != keyed(front, owner="owner-2").json["id"]


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "caf\u00e9"])
def test_a_key_that_is_none_is_refused(front: Front, key: str) -> None:
    answer = front.call("POST", "/jobs", JOB, headers={"Idempotency-Key": key})
    assert answer.code == "invalid_payload"
    assert "Idempotency-Key" in answer.detail
    assert front.all_keys() == []


def test_a_repeat_after_the_ending_gives_the_ended_job(front: Front) -> None:
    job = job_of(front, keyed(front))
    front.stage.end(job)
    again = keyed(front)
    assert (again.json["id"], again.json["status"]) == (job.id, "succeeded")


def test_a_repeat_passes_though_the_owner_has_enough_jobs() -> None:
    with open_stage() as stage:
        front = Front(stage, max_active_jobs=1)
        assert keyed(front).json["id"] == keyed(front).json["id"]


def test_a_repeat_after_a_refusal_is_a_fresh_try(front: Front) -> None:
    front.stage.runtime.error = refusal("ValidationException")
    assert keyed(front).status == 503
    front.stage.runtime.error = None
    assert keyed(front).status == 202


def test_a_repeat_of_a_deleted_job_is_gone(front: Front) -> None:
    job = job_of(front, keyed(front))
    front.stage.end(job)
    front.stage.store.delete(keys.active(job.id, OWNER))
    assert front.call("DELETE", f"/jobs/{job.id}").status == 204
    assert keyed(front).code == "job_deleted"


@contextlib.contextmanager
def before_s3_call(front: Front, number: int, act: Callable[[], object]) -> Iterator[None]:
    """`act` is done once, right before the n-th call to S3."""
    calls = 0

    def count(model: Any, **_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == number:
            act()

    front.stage.s3.meta.events.register("before-call", count)
    try:
        yield
    finally:
        front.stage.s3.meta.events.unregister("before-call", count)


@pytest.mark.parametrize("number", range(1, 12))
def test_two_calls_with_one_key_at_once_make_one_job(number: int) -> None:
    """The second call runs from end to end right before the n-th S3 call of the first."""
    with open_stage() as stage:
        first, second = Front(stage), Front(stage)
        answers: list[Answer] = []
        with before_s3_call(first, number, lambda: answers.append(keyed(second))):
            answers.append(keyed(first))
        assert [answer.status for answer in answers] == [202] * len(answers)
        assert len({answer.json["id"] for answer in answers}) == 1
        assert len(stage.runtime.invocations) == 1
        assert len([key for key in first.all_keys() if key.endswith("/request.json")]) == 1


# A crash between any two writes -----------------------------------------------------------------------------

WRITES = 6  # idempotency, active, index, request.json, attempts/1, attempts/1 with invoked_at


def test_submit_makes_six_writes(front: Front) -> None:
    with front.stage.killed_before_write(None) as writes:
        keyed(front)
    assert sum(writes.values()) == WRITES


@pytest.mark.parametrize("number", range(WRITES))
def test_after_a_crash_between_two_writes_the_same_key_completes_the_job(front: Front, number: int) -> None:
    with front.stage.killed_before_write(number):
        keyed(front)
    answer = keyed(front)
    job = job_of(front, answer)
    assert answer.status == 202
    assert {keys.active(job.id, OWNER), keys.index(job.id, OWNER), keys.queued(job.id, 1)} < set(
        front.all_keys()
    )
    run_reap(front.stage)
    assert {call["InferenceId"] for call in front.stage.runtime.invocations} == {job.id}


@pytest.mark.parametrize("number", range(WRITES))
def test_after_a_crash_between_two_writes_reap_cleans_up_or_queues_the_job(front: Front, number: int) -> None:
    with front.stage.killed_before_write(number):
        keyed(front)
    run_reap(front.stage)
    left = {key for key in front.all_keys() if not key.startswith("idempotency/")}
    accepted = any(key.endswith("/request.json") for key in left)
    assert bool(left) == accepted
    assert bool(front.stage.runtime.invocations) == accepted


@pytest.mark.parametrize("number", range(5, 10))
def test_after_a_crash_while_undoing_the_job_is_refused_or_queued_as_a_whole(
    front: Front, number: int
) -> None:
    front.stage.runtime.error = refusal("ValidationException")
    with front.stage.killed_before_write(number):
        keyed(front)
    front.stage.runtime.error = None
    answer = keyed(front)
    assert answer.status == 202
    run_reap(front.stage)
    assert len(front.stage.runtime.invocations) == 1
    assert keys.active(answer.json["id"], OWNER) in front.all_keys()


# The stock routes -------------------------------------------------------------------------------------------

REPLY = {"images": [PNG], "parameters": {}, "info": "{}"}


def finish(
    front: Front, reply: Any = REPLY, status: Status = Status.SUCCEEDED, **fields: Any
) -> Callable[[], None]:
    """What the container leaves, for the newest job."""

    def end() -> None:
        job_id = max(key.split("/")[1] for key in front.all_keys() if key.startswith("jobs/"))
        front.stage.store.put_json(keys.reply(job_id), reply)
        images = (Image(keys.picture(job_id, "0a1b2c3d", 0, "png"), 1, 1, 1),)
        front.stage.store.end(Result(job_id, status, front.clock, "0a1b2c3d", images, **fields))

    return end


def test_a_stock_route_holds_the_line_for_the_stock_answer(front: Front) -> None:
    front.while_held = [lambda: None, finish(front)]
    answer = front.call("POST", "/sdapi/v1/txt2img", STOCK)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json == REPLY


def test_a_stock_job_is_marked_so_that_its_reply_is_written(front: Front) -> None:
    front.call("POST", "/sdapi/v1/txt2img", STOCK)
    (key,) = [key for key in front.all_keys() if key.endswith("/request.json")]
    job = front.stage.store.job(key.split("/")[1])
    assert job is not None
    assert job.stock_route


def test_a_line_is_let_go_25_s_after_the_request_came_in(front: Front) -> None:
    started = front.clock
    answer = front.call("POST", "/sdapi/v1/txt2img", STOCK)
    assert answer.status == 303
    assert answer.headers["Location"].startswith("https://")
    assert answer.headers["Location"].endswith("/wait")
    assert 24.9 <= front.clock - started <= 25.1


def test_time_spent_before_the_function_started_counts(front: Front) -> None:
    event = front.event("POST", "/sdapi/v1/txt2img", STOCK)
    event["requestContext"]["requestTimeEpoch"] -= 20_000
    started = front.clock
    assert http.resolve(front.routes["submit"][1], event, None)["statusCode"] == 303
    assert front.clock - started <= 5.1


def test_a_reply_too_large_for_lambda_is_a_link(front: Front) -> None:
    front.while_held = [finish(front, REPLY | {"images": ["x" * 5_000_001]})]
    answer = front.call("POST", "/sdapi/v1/txt2img", STOCK)
    assert answer.status == 303
    assert "/reply.json?" in answer.headers["Location"]
    assert "X-Amz-Signature" in answer.headers["Location"]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("engine_died", 502),
        ("engine_hung", 504),
        ("expired", 504),
        ("canceled", 409),
        ("unknown_lora", 422),
        ("??", 500),
    ],
)
def test_a_stock_job_that_failed_is_a_problem_with_the_errors_status(
    front: Front, code: str, status: int
) -> None:
    error = {"code": code, "message": "what happened", "retryable": False}
    front.while_held = [finish(front, status=Status.FAILED, error=error)]
    answer = front.call("POST", "/sdapi/v1/txt2img", STOCK)
    assert answer.status == answer.json["status"] == status
    assert answer.json["detail"] == "what happened"
    assert keys.is_job_id(answer.json["job_id"])


@pytest.mark.parametrize("prefer", ["respond-async", "Respond-Async, wait=10", "wait=10, respond-async; x=1"])
def test_prefer_respond_async_answers_at_once(front: Front, prefer: str) -> None:
    started = front.clock
    answer = front.call("POST", "/sdapi/v1/txt2img", STOCK, headers={"Prefer": prefer})
    assert (answer.status, answer.headers["Preference-Applied"]) == (202, "respond-async")
    assert answer.headers["Location"].endswith(answer.json["id"])
    assert front.clock == started


def test_a_look_that_fails_does_not_let_the_line_go(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    store = front.wiring.store
    look, looks = store.result, []

    def result(job_id: str) -> Result | None:
        looks.append(job_id)
        if len(looks) == 1:
            raise StoreError("S3 is away")
        return look(job_id)

    monkeypatch.setattr(store, "result", result)
    front.while_held = [finish(front)]
    assert front.call("POST", "/sdapi/v1/txt2img", STOCK).status == 200


def test_a_repeated_stock_call_gets_the_answer_of_the_first(front: Front) -> None:
    headers = {"Idempotency-Key": "k-1"}
    assert front.call("POST", "/sdapi/v1/txt2img", STOCK, headers=headers).status == 303
    finish(front)()
    answer = front.call("POST", "/sdapi/v1/txt2img", STOCK, headers=headers)
    assert (answer.status, answer.json) == (200, REPLY)
    assert len(front.stage.runtime.invocations) == 1


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("img2img", {"init_images": [PNG]}),
        ("extra-single-image", {"image": f"data:image/png;base64,{PNG}"}),
        ("extra-batch-images", {"imageList": [{"data": PNG, "name": "a.png"}]}),
    ],
)
def test_every_stock_route_takes_its_own_body(front: Front, kind: str, body: dict[str, Any]) -> None:
    answer = front.call("POST", f"/sdapi/v1/{kind}", body, headers={"Prefer": "respond-async"})
    assert (answer.status, answer.json["kind"]) == (202, kind)


def test_the_endpoint_of_the_settings_is_asked(front: Front) -> None:
    front.call("POST", "/jobs", JOB)
    assert front.stage.runtime.invocations[0]["EndpointName"] == ENDPOINT


def test_killed_is_not_caught_by_the_edge(front: Front) -> None:
    with pytest.raises(Killed), before_s3_call(front, 1, _die):
        front.call("POST", "/jobs", JOB)


def _die() -> None:
    raise Killed
