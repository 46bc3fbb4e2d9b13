"""Deliveries doubled, shuffled, late and lost: each job ends once, and its owner is told once."""

from __future__ import annotations

import json
import random
import time

import pytest

from tests.e2e.road import STEP_S, Road, eventually
from webui_async.client import ApiError
from webui_async.contract import keys
from webui_async.contract.job import Status
from webui_async.local.stack import ENDPOINT


def starts(road: Road) -> int:
    """How many drawings of a payload began; the warm-up has no prompt."""
    return sum(entry["event"] == "start" and bool(entry["prompt"]) for entry in road.drawings())


def test_an_invocation_delivered_twice_at_once_is_drawn_once(road: Road) -> None:
    before = starts(road)
    job = road.submit(steps=20)
    road.invoke_again(job.id)
    assert road.wait(job.id).status is Status.SUCCEEDED
    road.assert_ended_once(job.id, "succeeded")
    assert starts(road) == before + 1


def test_an_invocation_delivered_again_after_the_ending_draws_nothing(road: Road) -> None:
    job = road.wait(road.submit().id)
    before = starts(road)
    road.invoke_again(job.id)
    road.wait(road.submit().id)  # the queue is first come, first served: the repeat came before this one
    assert starts(road) == before + 1
    road.assert_ended_once(job.id, "succeeded")


def test_events_doubled_and_shuffled_make_one_ending_and_one_callback_each(road: Road) -> None:
    jobs = [road.submit() for _ in range(6)]
    for job in jobs:
        road.wait(job.id)
    again = [job.id for job in jobs for _ in range(3)]
    random.Random(7).shuffle(again)
    for job_id in again:
        road.tell_again(job_id)
    for job in jobs:
        road.assert_ended_once(job.id, "succeeded")


def test_a_callback_message_delivered_again_posts_nothing(road: Road) -> None:
    job = road.wait(road.submit().id)
    road.callbacks_of(job.id)
    message = {"job_id": job.id, "event": "job.succeeded"}
    for number in range(3):
        road.stack.cloud.client("sqs").send_message(
            QueueUrl=road.stack.outputs["CallbacksQueueUrl"],
            MessageBody=json.dumps(message),
            MessageGroupId=job.id,
            MessageDeduplicationId=f"again-{number}",
        )
    road.assert_ended_once(job.id, "succeeded")


def test_sagemaker_s_error_told_three_times_makes_one_further_attempt(road: Road) -> None:
    job = road.submit(steps=40)
    road.wait_drawing(job.id)
    for _ in range(3):
        road.tell_failure(job.id, attempt=1)
    assert road.wait(job.id).status is Status.SUCCEEDED
    second = road.stack.store.attempt(job.id, 2)
    assert second is not None and second.failures == 1
    assert road.stack.store.attempt(job.id, 3) is None
    road.assert_ended_once(job.id, "succeeded")


def test_reap_that_takes_a_living_attempt_for_lost_makes_no_second_ending(road: Road) -> None:
    job = road.submit(steps=60)
    road.wait_drawing(job.id)
    assert road.reap_later(seconds=95) == {"retried": 1}
    assert road.wait(job.id).status is Status.SUCCEEDED
    road.assert_ended_once(job.id, "succeeded")


def test_reap_leaves_a_job_alone_whose_first_attempt_still_runs(road: Road) -> None:
    job = road.submit(steps=60)
    road.wait_drawing(job.id)
    road.reap()
    assert road.wait(job.id).status is Status.SUCCEEDED
    assert road.stack.store.attempt(job.id, 2) is None
    road.assert_ended_once(job.id, "succeeded")


def test_reap_invokes_an_attempt_that_was_queued_and_never_invoked(road: Road) -> None:
    job = road.plant(expires_in_s=600, invoke=False)
    assert road.reap() == {"waiting": 1}
    assert road.reap_later(seconds=150) == {"invoked": 1}
    assert road.wait(job.id).status is Status.SUCCEEDED
    assert road.stack.store.attempt(job.id, 2) is None


def test_a_job_that_expires_while_queued_is_ended_by_reap(road: Road) -> None:
    job = road.plant(expires_in_s=-1, age_s=200, invoke=False)
    road.reap()
    assert road.wait(job.id).status is Status.EXPIRED
    road.assert_ended_once(job.id, "expired")


def test_a_job_that_expires_while_the_container_holds_it_is_not_drawn(road: Road) -> None:
    first = road.submit(steps=60)
    road.wait_drawing(first.id)
    held = road.plant(expires_in_s=30 * STEP_S)
    assert road.wait(held.id).status is Status.EXPIRED
    road.assert_ended_once(held.id, "expired")
    assert road.wait(first.id).status is Status.SUCCEEDED


def test_an_invocation_that_the_endpoint_refuses_leaves_nothing_and_answers_503(make_road) -> None:
    road = make_road()
    road.stack.cloud.client("sagemaker").delete_endpoint(EndpointName=ENDPOINT)
    eventually(lambda: not road.stack.hosting.instances(ENDPOINT))
    with pytest.raises(ApiError) as refusal:
        road.submit()
    assert (refusal.value.http_status, refusal.value.code) == (503, "endpoint_refused")
    prefixes = (keys.JOBS, keys.ACTIVE, "index/", "idempotency/")
    assert [entry.key for prefix in prefixes for entry in road.stack.store.list(prefix)] == []


def test_two_runs_that_end_at_once_make_one_ending(make_road) -> None:
    road = make_road(instances=2)
    eventually(
        lambda: all(view.health.value == "in_service" for view in road.stack.hosting.instances(ENDPOINT))
    )
    job = road.submit(steps=20)
    road.invoke_again(job.id)
    assert road.wait(job.id).status is Status.SUCCEEDED
    eventually(lambda: len(_runs(road, job.id)) == 2)
    time.sleep(0.5)
    result = road.stack.store.result(job.id)
    assert result is not None and result.run in _runs(road, job.id)
    road.assert_ended_once(job.id, "succeeded")


def _runs(road: Road, job_id: str) -> set[str]:
    """The executions that left pictures."""
    return {entry.key.split("/")[3] for entry in road.stack.store.list(keys.runs(job_id))}
