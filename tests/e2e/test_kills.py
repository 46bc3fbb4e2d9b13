"""kill -9 and SIGTERM of every process on the road: each job still ends once, and its owner is told once."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.e2e.kill_proxy import KillProxy
from tests.e2e.road import PAYLOAD, Road, eventually
from webui_async.client import JobView
from webui_async.contract import keys
from webui_async.contract.job import Image, Job, Metrics, Result, Status
from webui_async.local.errors import FunctionFailed
from webui_async.local.functions import function_environment
from webui_async.local.stack import ENDPOINT
from webui_async.local.worker import Worker

EVENTS = Path(__file__).resolve().parents[1] / "events"
#: What a handler writes for one job with an Idempotency-Key and a callback, in order.
SUBMIT_WRITES = (
    "PUT idempotency/",
    "PUT active/",
    "PUT index/",
    "PUT request.json",
    "PUT attempts/1/queued.json",
    "POST /endpoints/",
    "PUT attempts/1/queued.json",
)
COMPLETE_WRITES = ("PUT .txt2img.succeeded", "POST /", "POST /", "DELETE active/")


# The engine and the container -----------------------------------------------------------------------------


def test_an_engine_killed_while_drawing_is_started_again_and_the_job_succeeds(road: Road) -> None:
    job = road.submit(steps=40)
    road.wait_drawing(job.id)
    begun = eventually(lambda: [entry for entry in road.drawings() if entry["prompt"]])[-1]
    os.kill(begun["pid"], signal.SIGKILL)
    assert road.wait(job.id).status is Status.SUCCEEDED
    assert road.drawings()[-1]["pid"] != begun["pid"]
    assert road.stack.store.attempt(job.id, 2) is None
    road.assert_ended_once(job.id, "succeeded")


def test_a_container_killed_with_jobs_in_hand_is_replaced_and_each_job_ends_once(road: Road) -> None:
    jobs = [road.submit(steps=20) for _ in range(4)]
    eventually(lambda: all(road.stack.store.progress(job.id) for job in jobs))
    road.wait_drawing(jobs[0].id)
    engine = psutil.Process(road.drawings()[-1]["pid"])
    road.kill_serve(jobs[0].id)
    for job in jobs:
        assert road.wait(job.id).status is Status.SUCCEEDED
        second = road.stack.store.attempt(job.id, 2)
        assert second is not None and second.failures == 1
        assert road.stack.store.attempt(job.id, 3) is None
    road.assert_all_ended_once([job.id for job in jobs], "succeeded")
    assert not engine.is_running(), "the engine outlived its container"


def test_a_job_that_loses_three_containers_fails_and_is_told_once(road: Road) -> None:
    job = road.submit(steps=60)
    for attempt in (1, 2, 3):
        road.kill_serve(job.id, attempt)
    ended = road.wait(job.id)
    assert ended.status is Status.FAILED and ended.error is not None
    assert ended.error["code"] == "attempts_exhausted"
    assert road.stack.store.attempt(job.id, 4) is None
    road.assert_ended_once(job.id, "failed")


def test_a_container_told_to_stop_gives_back_its_jobs_and_none_counts_as_a_failure(road: Road) -> None:
    pid, jobs = road.serve_pid(), hand_over(road)
    os.kill(pid, signal.SIGTERM)
    for job in jobs:
        assert road.wait(job.id).status is Status.SUCCEEDED
        assert_given_back(road, job.id)
    road.assert_all_ended_once([job.id for job in jobs], "succeeded")


def test_scaling_in_gives_the_jobs_back_and_scaling_out_draws_them_as_second_attempts(road: Road) -> None:
    road.serve_pid()
    jobs = hand_over(road)
    road.stack.hosting.set_capacity(ENDPOINT, 0)
    eventually(lambda: not road.stack.hosting.instances(ENDPOINT))
    for job in jobs:
        eventually(lambda job=job: road.stack.store.attempt(job.id, 2))  # type: ignore[misc]
        assert road.client.status(job.id).status is Status.QUEUED
    road.stack.hosting.set_capacity(ENDPOINT, 1)
    for job in jobs:
        assert road.wait(job.id).status is Status.SUCCEEDED
        assert_given_back(road, job.id)
        assert road.stack.store.attempt(job.id, 3) is None
    road.assert_all_ended_once([job.id for job in jobs], "succeeded")


def hand_over(road: Road) -> list[JobView]:
    """Three jobs that one container has in hand, the first one being drawn."""
    jobs = [road.submit(steps=40) for _ in range(3)]
    eventually(lambda: all(road.stack.store.progress(job.id) for job in jobs))
    return jobs


def assert_given_back(road: Road, job_id: str) -> None:
    assert road.stack.store.exists(keys.released(job_id, 1))
    second = road.stack.store.attempt(job_id, 2)
    assert second is not None and second.failures == 0


# submit between two writes --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def proxy(road: Road) -> Iterator[KillProxy]:
    with KillProxy(road.stack.cloud.endpoint_url, road.stack.hosting.url) as proxy:
        yield proxy


@contextmanager
def victim(road: Road, proxy: KillProxy, name: str, writes: int | None) -> Iterator[Worker]:
    """A process of the function's own, with its role, that dies once that many writes are made."""
    cloud = road.stack.cloud
    (function,) = (f for f in cloud.deployed.functions.values() if f.handler == f"handlers.{name}.handler")
    environment = function_environment(cloud.plane, function, road.stack.hosting.url) | proxy.environment
    worker = Worker(function, environment, cloud.function_log(function.name))
    try:
        worker.wait_ready()
        proxy.victim_pid, proxy.writes_left = worker.pid, writes
        proxy.writes.clear()
        yield worker
    finally:
        worker.stop()


def assert_writes(proxy: KillProxy, expected: tuple[str, ...]) -> None:
    """The writes that were made are the first of those that the tests speak of."""
    assert len(proxy.writes) == len(expected), proxy.writes
    for write, (method, place) in zip(proxy.writes, (word.split() for word in expected), strict=True):
        assert write.startswith(method) and place in write


def die_in_submit(road: Road, proxy: KillProxy, writes: int, key: str) -> None:
    with victim(road, proxy, "submit", writes) as worker, pytest.raises(FunctionFailed, match="code -9"):
        worker.invoke(post_event(road, key), "the-victim")
    assert_writes(proxy, SUBMIT_WRITES[:writes])


def body_of(road: Road) -> str:
    payload = PAYLOAD | {"steps": 10}
    return json.dumps({"kind": "txt2img", "payload": payload, "callback_url": road.receiver.url})


def post_event(road: Road, key: str) -> dict[str, Any]:
    """What API Gateway hands over for POST /jobs."""
    event: dict[str, Any] = json.loads((EVENTS / "apigw_post_jobs.json").read_text())
    event["headers"]["Idempotency-Key"] = key
    event["requestContext"]["identity"]["apiKeyId"] = road.stack.cloud.api_key.id
    event["requestContext"]["requestTimeEpoch"] = int(time.time() * 1000)
    return event | {"body": body_of(road)}


def post_again(road: Road, key: str) -> str:
    """The id of the job that a repeated POST gives."""
    headers = {"x-api-key": road.stack.cloud.api_key.value, "Idempotency-Key": key}
    answer = requests.post(f"{road.stack.api_url}/jobs", body_of(road), headers=headers, timeout=30)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def jobs_of(road: Road) -> set[str | None]:
    """Every job of which anything is left."""
    prefixes = (keys.JOBS, keys.ACTIVE, "index/")
    return {keys.job_id_of(entry.key) for prefix in prefixes for entry in road.stack.store.list(prefix)}


def test_submit_makes_just_the_writes_that_these_tests_kill_it_between(road: Road, proxy: KillProxy) -> None:
    with victim(road, proxy, "submit", None) as worker:
        answer = worker.invoke(post_event(road, "unharmed"), "the-victim")
    assert_writes(proxy, SUBMIT_WRITES)
    road.wait(json.loads(answer["body"])["id"])


@pytest.mark.parametrize("writes", range(len(SUBMIT_WRITES) + 1))
def test_submit_killed_after_any_write_leaves_one_job_that_ends_or_nothing(
    road: Road, proxy: KillProxy, writes: int
) -> None:
    before = jobs_of(road)
    die_in_submit(road, proxy, writes, f"alone-{writes}")
    road.reap_later(150)
    left = jobs_of(road) - before
    if writes < SUBMIT_WRITES.index("PUT request.json") + 1:
        assert left == set()
        return
    (job_id,) = left
    assert job_id is not None
    assert road.wait(job_id).status is Status.SUCCEEDED
    road.assert_ended_once(job_id, "succeeded", settle_s=0.3)


@pytest.mark.parametrize("writes", range(len(SUBMIT_WRITES) + 1))
def test_a_repeated_post_after_submit_was_killed_gives_one_single_job(
    road: Road, proxy: KillProxy, writes: int
) -> None:
    key, before = f"again-{writes}", jobs_of(road)
    die_in_submit(road, proxy, writes, key)
    job_id = post_again(road, key)
    assert post_again(road, key) == job_id
    road.reap_later(150)
    assert road.wait(job_id).status is Status.SUCCEEDED
    assert jobs_of(road) - before == {job_id}
    road.assert_ended_once(job_id, "succeeded", settle_s=0.3)


# complete between two writes ------------------------------------------------------------------------------


def plant_ending(road: Road) -> Job:
    """A job whose result.json was written, and whose event is still on its way."""
    job, store = road.plant(expires_in_s=600, invoke=False), road.stack.store
    key = keys.picture(job.id, "0a1b2c3d", 0, "png")
    store.put_bytes(key, b"a picture", "image/png")
    image = Image(key, seed=1, width=64, height=64)
    metrics = Metrics(queued_s=0.1, drawing_s=0.1, total_s=0.2)
    with road.without_events():
        store.end(
            Result(job.id, Status.SUCCEEDED, time.time(), run="0a1b2c3d", images=(image,), metrics=metrics)
        )
    return job


def ending_event(job: Job) -> dict[str, Any]:
    """What Lambda hands to complete for the job's result.json."""
    event: dict[str, Any] = json.loads((EVENTS / "sqs_s3_put_result.json").read_text())
    (record,) = event["Records"]
    body = json.loads(record["body"])
    body["Records"][0]["s3"]["object"]["key"] = keys.result(job.id)
    return {"Records": [record | {"body": json.dumps(body)}]}


def test_complete_makes_just_the_writes_that_these_tests_kill_it_between(
    road: Road, proxy: KillProxy
) -> None:
    job = plant_ending(road)
    with victim(road, proxy, "complete", None) as worker:
        assert worker.invoke(ending_event(job), "the-victim") == {"batchItemFailures": []}
    assert_writes(proxy, COMPLETE_WRITES)
    road.assert_ended_once(job.id, "succeeded")


@pytest.mark.parametrize("writes", range(len(COMPLETE_WRITES) + 1))
def test_complete_killed_after_any_write_is_made_good_by_the_repeated_event(
    road: Road, proxy: KillProxy, writes: int
) -> None:
    job = plant_ending(road)
    with victim(road, proxy, "complete", writes) as worker, pytest.raises(FunctionFailed, match="code -9"):
        worker.invoke(ending_event(job), "the-victim")
    assert_writes(proxy, COMPLETE_WRITES[:writes])
    active = keys.active(job.id, road.stack.cloud.api_key.id)
    assert road.stack.store.exists(active) is (writes < len(COMPLETE_WRITES))
    road.tell_again(job.id)
    eventually(lambda: not road.stack.store.exists(active))
    road.assert_ended_once(job.id, "succeeded")
    index = keys.index(job.id, road.stack.cloud.api_key.id)
    assert len(list(road.stack.store.list(f"{index}."))) == 1
