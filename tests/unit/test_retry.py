"""retry(): any number of signals about attempt n make at most one attempt n+1, and there is an end to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tests.unit.handlers.stage import ENDPOINT, Killed, Stage, open_stage
from webui_async.contract import keys
from webui_async.contract.errors import EndpointRefused, StoreError
from webui_async.contract.job import MAX_ATTEMPTS, MAX_FAILURES, Job, Status
from webui_async.contract.settings import ServeSettings
from webui_async.retry import INVOCATION_TIMEOUT_S, Lost, enqueue_first, retry


@pytest.fixture
def stage() -> Iterator[Stage]:
    with open_stage() as opened:
        yield opened


@pytest.fixture
def job(stage: Stage) -> Job:
    return stage.accept()


def again(stage: Stage, job: Job, number: int = 1, lost: Lost = Lost.FAILED) -> int | None:
    """The number of the attempt that the signal made."""
    attempt = retry(stage.store, stage.world.queue, job.id, number, lost)
    return attempt.number if attempt else None


def ending(stage: Stage, job: Job) -> tuple[Status, str]:
    result = stage.store.result(job.id)
    assert result is not None
    assert result.error is not None
    return result.status, result.error["code"]


def test_the_first_attempt_is_queued_once(stage: Stage) -> None:
    job = stage.accept_unqueued()
    assert enqueue_first(stage.store, stage.world.queue, job) is not None
    assert enqueue_first(stage.store, stage.world.queue, job) is None
    (request,) = stage.runtime.invocations
    assert request == {
        "EndpointName": ENDPOINT,
        "InputLocation": f"s3://bucket/{keys.request(job.id)}",
        "ContentType": "application/json",
        "InferenceId": job.id,
        "CustomAttributes": "attempt=1",
        "RequestTTLSeconds": request["RequestTTLSeconds"],
        "InvocationTimeoutSeconds": 3600,
    }
    attempt = stage.store.attempt(job.id, 1)
    assert attempt is not None
    assert attempt.output_uri == "s3://out/1.out"
    assert attempt.invoked_at is not None


def test_any_number_of_signals_make_one_attempt(stage: Stage, job: Job) -> None:
    made = [again(stage, job, 1, lost) for lost in (*Lost, *Lost)]
    assert made == [2, None, None, None, None, None]
    assert [request["CustomAttributes"] for request in stage.runtime.invocations] == ["attempt=2"]


def test_an_old_signal_makes_nothing(stage: Stage, job: Job) -> None:
    assert again(stage, job, 1) == 2
    assert again(stage, job, 2) == 3
    assert again(stage, job, 1) is None


def test_an_attempt_that_never_was_is_not_followed(stage: Stage, job: Job) -> None:
    assert again(stage, job, 5) is None
    assert stage.store.result(job.id) is None


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.CANCELED])
def test_an_ended_job_is_not_tried_again(stage: Stage, job: Job, status: Status) -> None:
    stage.end(job, status)
    assert again(stage, job) is None
    assert stage.runtime.invocations == []


def test_a_deleted_job_is_not_tried_again(stage: Stage, job: Job) -> None:
    stage.store.put_json(keys.deleted(job.id), {})
    assert again(stage, job) is None


def test_a_job_that_is_not_there_is_not_tried_again(stage: Stage, job: Job) -> None:
    stage.store.delete(keys.request(job.id))
    assert again(stage, job) is None


def test_after_three_failures_the_job_fails(stage: Stage, job: Job) -> None:
    made = [again(stage, job, number) for number in range(1, MAX_FAILURES + 1)]
    assert made == [2, 3, None]
    assert ending(stage, job) == (Status.FAILED, "attempts_exhausted")


def test_a_release_is_no_failure_and_ten_attempts_are_enough(stage: Stage, job: Job) -> None:
    made = [again(stage, job, number, Lost.RELEASED) for number in range(1, MAX_ATTEMPTS + 1)]
    assert made == [*range(2, MAX_ATTEMPTS + 1), None]
    assert ending(stage, job) == (Status.FAILED, "attempts_exhausted")


def test_the_503_of_a_released_attempt_is_no_failure_even_when_it_is_told_first(
    stage: Stage, job: Job
) -> None:
    stage.release(job)
    assert again(stage, job, 1, Lost.FAILED) == 2
    attempt = stage.store.attempt(job.id, 2)
    assert attempt is not None and attempt.failures == 0


def test_a_lost_attempt_of_a_job_that_was_asked_to_stop_ends_it_as_canceled(stage: Stage, job: Job) -> None:
    stage.store.put_json(keys.cancel(job.id), {})
    assert again(stage, job, lost=Lost.VANISHED) is None
    assert ending(stage, job) == (Status.CANCELED, "canceled")
    assert stage.runtime.invocations == []


def test_past_its_time_a_job_expires(stage: Stage) -> None:
    job = stage.accept(ttl_s=60)
    stage.offset_s = 60
    assert again(stage, job) is None
    assert ending(stage, job) == (Status.EXPIRED, "expired")


@pytest.mark.parametrize(("left_s", "ttl_s"), [(30, 60), (600, 600), (10**6, 21600)])
def test_the_invocation_expires_with_the_job_within_sagemakers_bounds(
    stage: Stage, left_s: int, ttl_s: int
) -> None:
    again(stage, stage.accept(ttl_s=left_s + 0.9))
    assert stage.runtime.invocations[0]["RequestTTLSeconds"] == pytest.approx(ttl_s, abs=1)
    assert 60 <= stage.runtime.invocations[0]["RequestTTLSeconds"] <= 21600


def test_as_many_drawings_as_a_container_holds_fit_into_an_invocation() -> None:
    settings = ServeSettings("bucket", ENDPOINT)
    assert settings.max_jobs * settings.drawing_timeout_s <= INVOCATION_TIMEOUT_S


def refused(code: str, status: int = 400) -> ClientError:
    answer = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "InvokeEndpointAsync")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (refused("ThrottlingException"), StoreError),
        (refused("ServiceUnavailable"), StoreError),
        (refused("InternalFailure"), StoreError),
        (refused("NobodyKnows", 502), StoreError),
        (EndpointConnectionError(endpoint_url="http://x"), StoreError),
        (refused("ValidationError"), EndpointRefused),
        (refused("AccessDeniedException"), EndpointRefused),
    ],
)
def test_what_can_pass_is_told_from_a_refusal_for_good(
    stage: Stage, job: Job, error: Exception, ours: type[Exception]
) -> None:
    stage.runtime.error = error
    with pytest.raises(ours, match=job.id):
        again(stage, job)
    attempt = stage.store.attempt(job.id, 2)
    assert attempt is not None
    assert attempt.invoked_at is None


@pytest.mark.parametrize("number", [0, 1])
def test_a_crash_between_two_writes_leaves_at_most_one_attempt(stage: Stage, job: Job, number: int) -> None:
    with stage.killed_before_write(number):
        again(stage, job)
        raise Killed
    again(stage, job)
    assert stage.store.files(job.id).last_attempt == 2
    assert len(stage.runtime.invocations) == 1
