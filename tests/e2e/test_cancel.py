"""Cancel at every moment of a job's life."""

from __future__ import annotations

import pytest

from tests.e2e.road import Road, eventually
from webui_async.client import ApiError
from webui_async.contract.job import Status


def test_cancel_before_the_start_ends_the_job_at_once(road: Road) -> None:
    busy = road.submit(steps=40)
    road.wait_drawing(busy.id)
    waiting = road.submit()
    assert road.client.cancel(waiting.id).status is Status.CANCELED
    road.assert_ended_once(waiting.id, "canceled")
    assert road.wait(busy.id).status is Status.SUCCEEDED


def test_cancel_while_starting_ends_the_job_whoever_wins(road: Road) -> None:
    job = road.submit(steps=40)
    road.client.cancel(job.id)  # the container may just have begun: then cancel.json stops it
    ended = road.wait(job.id)
    assert ended.status is Status.CANCELED
    road.assert_ended_once(job.id, "canceled")


def test_cancel_while_drawing_interrupts_the_engine(road: Road) -> None:
    job = road.submit(steps=150)
    road.wait_drawing(job.id)
    road.client.cancel(job.id)
    assert road.wait(job.id, timeout_s=5).status is Status.CANCELED
    road.assert_ended_once(job.id, "canceled")
    eventually(lambda: road.drawings()[-1]["event"] == "end")
    assert road.drawings()[-1]["interrupted"]


def test_cancel_interrupts_only_the_job_that_is_meant(road: Road) -> None:
    first, second = road.submit(steps=40), road.submit(steps=40)
    road.wait_drawing(first.id)
    road.client.cancel(second.id)
    assert road.wait(first.id).status is Status.SUCCEEDED
    assert road.wait(second.id).status is Status.CANCELED


def test_cancel_after_the_end_is_refused_with_the_ending(road: Road) -> None:
    job = road.wait(road.submit().id)
    with pytest.raises(ApiError) as refusal:
        road.client.cancel(job.id)
    assert (refusal.value.http_status, refusal.value.code) == (409, "job_ended")
    assert "succeeded" in str(refusal.value)


def test_delete_waits_for_the_ending_and_leaves_a_tombstone(road: Road) -> None:
    job = road.submit(steps=20)
    with pytest.raises(ApiError) as early:
        road.client.delete(job.id)
    assert early.value.code == "job_not_ended"
    road.wait(job.id)
    road.assert_ended_once(job.id, "succeeded")
    road.client.delete(job.id)
    with pytest.raises(ApiError) as gone:
        road.client.status(job.id)
    assert gone.value.http_status == 410
    assert set(road.stack.store.files(job.id).sizes) >= {"result.json", "deleted.json"}
    assert not any(name.startswith("runs/") for name in road.stack.store.files(job.id).sizes)
