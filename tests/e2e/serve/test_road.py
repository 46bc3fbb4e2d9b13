"""The main road through a real container and a real engine, and every way off it that does no harm."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable

import httpx
import pytest

from tests.e2e.serve.harness import PAYLOAD, Container, new_job, wait_for
from webui_async.contract import keys
from webui_async.contract.images import decode_base64, read_header
from webui_async.contract.job import Job, Result, Status
from webui_async.contract.parameters import generation_parameters
from webui_async.contract.payload import Kind


def result_of(container: Container, job: Job) -> Result:
    result = container.store.result(job.id)
    assert result is not None, container.log
    return result


def drawn(container: Container, job: Job) -> int:
    return sum(entry["prompt"] == job.payload["prompt"] for entry in container.drawings())


def named(prompt: str, **fields: object) -> Job:
    return new_job(PAYLOAD | {"prompt": prompt}, **fields)


def test_a_job_becomes_pictures_reply_and_result(container: Container) -> None:
    job = new_job(PAYLOAD | {"n_iter": 2}, stock_route=True, warnings=("as submit said",))
    answer = container.draw(job)
    result = result_of(container, job)
    assert result.status is Status.SUCCEEDED and result.warnings == ("as submit said",)
    assert [(image.seed, image.width, image.height) for image in result.images] == [(7, 64, 64), (8, 64, 64)]
    for number, image in enumerate(result.images):
        assert image.key == keys.picture(job.id, str(result.run), number, "png")
        data = container.store.get_bytes(image.key) or b""
        assert read_header(data).width == 64 and generation_parameters(data).startswith("a red boat")
    assert answer.status_code == 200 and int(answer.headers["content-length"]) == len(answer.content)
    assert answer.content == container.store.get_bytes(keys.reply(job.id))
    assert len(answer.json()["images"]) == 2 and result.info["all_seeds"] == [7, 8]


def test_a_result_says_where_the_time_and_the_money_went(container: Container) -> None:
    job = named("metrics")
    container.draw(job)
    metrics = result_of(container, job).metrics
    assert metrics.drawing_s is not None and metrics.total_s is not None and metrics.queued_s is not None
    assert 0.5 <= metrics.drawing_s < 5 and metrics.total_s >= metrics.queued_s + metrics.drawing_s
    assert metrics.cost_usd == pytest.approx(metrics.drawing_s * 0.001, rel=0.01)


def test_progress_is_told_while_a_job_is_drawn(container: Container) -> None:
    job = container.accept(named("progress"))
    call = container.invoke(job)
    fractions = set()

    def moved() -> bool:
        progress = container.store.progress(job.id)
        if progress is not None and progress.drawing_since is not None:
            fractions.add(progress.fraction)
        return len(fractions) >= 2

    wait_for(moved)
    assert call.answer().status_code == 200


def test_ping_is_quick_while_a_job_is_drawn(container: Container) -> None:
    call = container.invoke(container.accept(named("ping")))
    wait_for(lambda: httpx.get(f"{container.url}/ping", trust_env=False).json() == {"engine": "busy"})
    began = time.monotonic()
    assert container.ping() == 200
    assert time.monotonic() - began < 1
    call.answer()


def test_the_catalog_is_there_when_the_container_is_ready(container: Container) -> None:
    catalog = container.store.get_json(keys.catalog("ink")) or {}
    assert [entry["model_name"] for entry in catalog["sd-models"]] == ["fixed"]
    assert "filename" not in catalog["sd-models"][0] and "samples_format" not in catalog["options"]
    assert catalog["sd-vae"] == [] and catalog["controlnet-models"] == []


def test_an_invocation_delivered_twice_is_drawn_once(container: Container) -> None:
    job = container.accept(named("twice"))
    calls = [container.invoke(job), container.invoke(job)]
    first, second = (call.answer() for call in calls)
    assert first.content == second.content and drawn(container, job) == 1


def test_an_invocation_delivered_again_after_the_end_is_not_drawn(container: Container) -> None:
    job = named("again")
    container.draw(job)
    answer = container.invoke(job).answer()
    assert answer.json() == {"job_id": job.id, "status": "succeeded"} and drawn(container, job) == 1


def test_an_attempt_that_has_a_successor_is_not_drawn(container: Container) -> None:
    job = container.accept(named("superseded"))
    container.store.put_json(keys.queued(job.id, 2), {"attempt": 2})
    assert container.invoke(job, attempt=1).answer().json() == {"job_id": job.id, "status": "queued"}
    assert drawn(container, job) == 0 and container.store.result(job.id) is None
    container.invoke(job, attempt=2).answer()
    assert result_of(container, job).status is Status.SUCCEEDED


def test_a_job_canceled_before_its_turn_is_not_drawn(container: Container) -> None:
    job = container.accept(named("canceled early"))
    container.store.put_json(keys.cancel(job.id), {})
    answer = container.invoke(job).answer()
    assert answer.status_code == 200 and answer.json()["status"] == "canceled"
    assert result_of(container, job).status is Status.CANCELED and drawn(container, job) == 0


def test_a_job_canceled_while_it_is_held_is_not_drawn(container: Container) -> None:
    first, held = container.accept(named("drawn first")), container.accept(named("canceled while held"))
    call = container.invoke(first)
    wait_for(lambda: drawn(container, first))
    held_call = container.invoke(held)
    container.store.put_json(keys.cancel(held.id), {})
    assert call.answer().status_code == 200 and held_call.answer().json()["status"] == "canceled"
    assert drawn(container, held) == 0


def test_a_job_canceled_while_it_is_drawn_ends_canceled_and_the_next_is_drawn_whole(
    container: Container,
) -> None:
    job, next_job = container.accept(named("canceled late")), container.accept(named("after a cancel"))
    call, next_call = container.invoke(job), None
    wait_for(lambda: drawn(container, job))
    next_call = container.invoke(next_job)
    container.store.put_json(keys.cancel(job.id), {})
    assert call.answer().json()["status"] == "canceled"
    result = result_of(container, job)
    assert result.status is Status.CANCELED and result.images == ()
    next_call.answer()
    assert result_of(container, next_job).status is Status.SUCCEEDED
    ends = {entry["prompt"]: entry["interrupted"] for entry in container.drawings("end")}
    assert ends["canceled late"] and not ends["after a cancel"]


def test_a_job_that_expires_while_it_is_held_is_not_drawn(container: Container) -> None:
    first = container.accept(named("drawn before"))
    call = container.invoke(first)
    wait_for(lambda: drawn(container, first))
    held = container.accept(named("expires", expires_at=time.time() + 0.1))
    assert container.invoke(held).answer().json()["status"] == "expired"
    assert result_of(container, held).status is Status.EXPIRED and drawn(container, held) == 0
    call.answer()


def invoke_and_hang_up(container: Container, job: Job, until: Callable[[], object]) -> None:
    """The client is gone before its answer, as soon as `until` is something."""
    body = json.dumps(job.to_json()).encode()
    head = (
        f"POST /invocations HTTP/1.1\r\nHost: serve\r\nContent-Length: {len(body)}\r\n"
        f"X-Amzn-SageMaker-Inference-Id: {job.id}\r\n"
        "X-Amzn-SageMaker-Custom-Attributes: attempt=1\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", container.port)) as client:
        client.sendall(head.encode() + body)
        wait_for(until)


def test_a_client_that_hangs_up_costs_no_job_neither_a_drawn_nor_a_waiting_one(container: Container) -> None:
    first = container.accept(named("client gone while drawn"))
    held = container.accept(named("client gone while held"))
    invoke_and_hang_up(container, first, lambda: drawn(container, first))
    invoke_and_hang_up(container, held, lambda: container.store.progress(held.id))
    assert drawn(container, held) == 0 and container.store.result(first.id) is None
    for job in (first, held):
        wait_for(lambda job=job: container.store.result(job.id))
        assert result_of(container, job).status is Status.SUCCEEDED and drawn(container, job) == 1


def test_the_first_ending_stands(container: Container) -> None:
    job = container.accept(named("ended elsewhere"))
    call = container.invoke(job)
    wait_for(lambda: drawn(container, job))
    container.store.end(Result(job.id, Status.EXPIRED, time.time()))
    assert call.answer().json() == {"job_id": job.id, "status": "expired"}
    assert result_of(container, job).status is Status.EXPIRED


def test_an_upload_is_resolved_under_the_jobs_own_owner_only(container: Container) -> None:
    picture = decode_base64(container.draw(named("a source")).json()["images"][0])
    container.store.put_bytes(keys.upload("ann", "a" * 32), picture, "image/png")
    payload = {"image": f"upload:{'a' * 32}", "upscaler_1": "Lanczos"}
    job = new_job(payload, kind=Kind.EXTRA_SINGLE)
    container.draw(job)
    result = result_of(container, job)
    assert container.store.get_bytes(result.images[0].key) == picture and result.images[0].seed is None
    stolen = new_job(payload, kind=Kind.EXTRA_SINGLE, owner="bob")
    answer = container.draw(stolen)
    assert answer.status_code == 200 and answer.json()["error"]["code"] == "unknown_upload"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"override_settings": {"sd_model_checkpoint": "nope"}}, "unknown_checkpoint"),
        ({"sampler_name": "k_euler_a"}, "unknown_sampler"),
        ({"prompt": "<lora:nope:1>"}, "unknown_lora"),
    ],
)
def test_a_name_the_engine_does_not_hold_fails_the_job_undrawn(
    container: Container, change: dict[str, object], code: str
) -> None:
    job = new_job(PAYLOAD | {"prompt": code} | change)
    container.draw(job)
    error = result_of(container, job).error or {}
    assert error["code"] == code and "it holds" in error["message"] and drawn(container, job) == 0


def test_a_format_the_engine_does_not_make_is_a_warning(container: Container) -> None:
    job = named("jpg please", output={"format": "jpg"})
    container.draw(job)
    assert result_of(container, job).warnings == ("output.format asked for jpg, and the engine made png",)


def test_a_direct_invocation_is_drawn_and_leaves_nothing(container: Container) -> None:
    before = {entry.key for entry in container.store.list(keys.JOBS)}
    answer = container.invoke_direct({"task": "text-to-image", "txt2img_payload": PAYLOAD}).answer()
    assert answer.status_code == 200 and len(answer.json()["images"]) == 1
    assert {entry.key for entry in container.store.list(keys.JOBS)} == before


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed_body"),
        ({"what": 1}, 400, "malformed_body"),
        (PAYLOAD | {"steps": 0}, 422, "invalid_payload"),
        (PAYLOAD | {"sampler_name": "nope"}, 422, "unknown_sampler"),
        ({"kind": "txt2img", "payload": PAYLOAD, "output": {"format": "gif"}}, 422, "invalid_payload"),
        ({"image": f"upload:{'a' * 32}"}, 422, "unknown_upload"),
    ],
)
def test_a_bad_direct_invocation_is_the_callers_fault(
    container: Container, body: object, status: int, code: str
) -> None:
    answer = container.invoke_direct(body).answer()
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_that_is_not_the_jobs_own_touches_no_job(container: Container) -> None:
    job = container.accept(named("the real one"))
    answer = container.invoke_direct(PAYLOAD | {"prompt": "a forged one"}, job.id).answer()
    assert answer.status_code == 200
    assert container.store.result(job.id) is None and container.store.progress(job.id) is None


def test_no_prompt_reaches_the_log(container: Container) -> None:
    assert "a red boat" not in container.log and "canceled late" not in container.log
