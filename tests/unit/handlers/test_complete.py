"""complete: one ending told once, one further attempt per loss, whatever order and number of messages."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from handlers import complete as complete_module
from handlers.complete import complete, handler

from tests.unit.handlers.stage import (
    ENDPOINT,
    OWNER,
    RECORDED_ID,
    Stage,
    open_stage,
    record_of,
    recorded,
)
from webui_async.contract import keys
from webui_async.contract.errors import StoreError
from webui_async.contract.job import Job, Result, Status

HOOK = "https://hooks.example.com/done"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with open_stage() as made:
        yield made


def ended(stage: Stage, status: Status = Status.SUCCEEDED, **fields: Any) -> Job:
    job = stage.accept(RECORDED_ID, callback_url=HOOK, **fields)
    stage.end(job, status)
    return job


def index_status(job: Job, status: str = "succeeded") -> str:
    return keys.index_status(job.id, OWNER, "txt2img", status)


def test_an_ending_is_indexed_published_called_back_and_no_longer_active(stage: Stage) -> None:
    job = ended(stage)

    complete(stage.world, record_of("sqs_s3_put_result"))

    assert index_status(job) in stage.keys_under("index/")
    assert stage.take(stage.heard_url) == [
        {
            "event": "job.succeeded",
            "job_id": job.id,
            "kind": "txt2img",
            "status": "succeeded",
            "owner": OWNER,
            "output_uri": f"s3://bucket/jobs/{job.id}/result.json",
            "images": [f"s3://bucket/jobs/{job.id}/runs/0a1b2c3d/0.png"],
        }
    ]
    assert stage.take(stage.callbacks_url) == [{"job_id": job.id, "event": "job.succeeded"}]
    assert stage.keys_under("active/") == []


@pytest.mark.parametrize("status", ["failed", "canceled", "expired"])
def test_every_kind_of_ending_is_told_by_its_name(stage: Stage, status: str) -> None:
    job = ended(stage, Status(status))

    complete(stage.world, record_of("sqs_s3_put_result"))

    assert stage.take(stage.callbacks_url) == [{"job_id": job.id, "event": f"job.{status}"}]
    assert index_status(job, status) in stage.keys_under("index/")


def test_a_job_without_callback_url_makes_no_callback(stage: Stage) -> None:
    stage.end(stage.accept(RECORDED_ID))

    complete(stage.world, record_of("sqs_s3_put_result"))

    assert stage.take(stage.callbacks_url) == []
    assert len(stage.take(stage.heard_url)) == 1


def embedded_metrics(printed: str) -> list[dict[str, Any]]:
    """The lines of a function's log that CloudWatch makes metrics of."""
    return [line for line in map(json.loads, printed.splitlines()) if "_aws" in line]


@pytest.mark.parametrize(
    ("status", "counter"),
    [
        ("succeeded", "JobsSucceeded"),
        ("failed", "JobsFailed"),
        ("canceled", "JobsCanceled"),
        ("expired", "JobsExpired"),
    ],
)
def test_an_ending_is_counted_in_one_embedded_metric_line(
    stage: Stage, capsys: pytest.CaptureFixture[str], status: str, counter: str
) -> None:
    ended(stage, Status(status))

    complete(stage.world, record_of("sqs_s3_put_result"))

    (line,) = embedded_metrics(capsys.readouterr().out)
    (directive,) = line.pop("_aws")["CloudWatchMetrics"]
    assert directive["Namespace"] == "WebuiAsync" and directive["Dimensions"] == [["EndpointName"]]
    assert {one["Name"]: one["Unit"] for one in directive["Metrics"]} == {
        counter: "Count",
        "QueuedSeconds": "Seconds",
        "DrawingSeconds": "Seconds",
        "TotalSeconds": "Seconds",
        "CostUsd": "None",
    }
    assert line == {
        "EndpointName": ENDPOINT,
        "job_id": RECORDED_ID,
        counter: [1.0],
        "QueuedSeconds": [1.5],
        "DrawingSeconds": [2.5],
        "TotalSeconds": [4.0],
        "CostUsd": [0.001],
    }


def test_what_is_not_known_of_an_ending_is_no_metric(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.store.end(Result(stage.accept(RECORDED_ID).id, Status.EXPIRED, 0.0))

    complete(stage.world, record_of("sqs_s3_put_result"))

    (line,) = embedded_metrics(capsys.readouterr().out)
    assert set(line) == {"_aws", "EndpointName", "job_id", "JobsExpired"}


def test_an_ending_counts_for_the_endpoint_that_the_alarms_name(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    ended(stage)
    world = replace(stage.world, settings=replace(stage.world.settings, endpoint="renamed"))

    complete(world, record_of("sqs_s3_put_result"))

    (line,) = embedded_metrics(capsys.readouterr().out)
    assert line["EndpointName"] == "renamed"


@pytest.mark.parametrize("name", ["sqs_s3_put_result", "sqs_s3_put_result_moto", "sqs_reap"])
def test_every_source_of_an_ending_is_understood(stage: Stage, name: str) -> None:
    ended(stage)

    complete(stage.world, record_of(name))

    assert stage.keys_under("active/") == []


def test_doubled_messages_tell_an_ending_once(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    ended(stage)

    for name in ("sqs_s3_put_result", "sqs_reap", "sqs_s3_put_result"):
        complete(stage.world, record_of(name))

    assert len(stage.take(stage.callbacks_url)) == 1
    assert len(stage.take(stage.heard_url)) == 1
    assert len(embedded_metrics(capsys.readouterr().out)) == 1


@pytest.mark.parametrize("write", range(4))
def test_a_crash_before_any_write_is_made_good_by_the_next_message(stage: Stage, write: int) -> None:
    job = ended(stage)

    with stage.killed_before_write(write) as writes:
        complete(stage.world, record_of("sqs_s3_put_result"))
    assert sum(writes.values()) == write
    assert stage.keys_under("active/") != []

    complete(stage.world, record_of("sqs_s3_put_result"))
    assert stage.keys_under("index/") == [keys.index(job.id, OWNER), index_status(job)]
    assert stage.take(stage.callbacks_url) == [{"job_id": job.id, "event": "job.succeeded"}]
    assert stage.take(stage.heard_url) != []
    assert stage.keys_under("active/") == []


def test_a_crash_between_the_metrics_and_the_last_write_counts_the_ending_twice(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """The price of a metric that needs no state of its own. The order is metrics, then the active entry."""
    ended(stage)

    with stage.killed_before_write(3):
        complete(stage.world, record_of("sqs_s3_put_result"))
    complete(stage.world, record_of("sqs_s3_put_result"))

    assert len(embedded_metrics(capsys.readouterr().out)) == 2


def test_the_four_writes_of_an_ending_come_in_order(stage: Stage) -> None:
    ended(stage)

    with stage.killed_before_write(None) as writes:
        complete(stage.world, record_of("sqs_s3_put_result"))

    assert list(writes) == ["PutObject", "Publish", "SendMessage", "DeleteObject"]
    assert sum(writes.values()) == 4, "test_a_crash_before_any_write… must cover them all"


def test_a_deleted_job_is_not_told_again(stage: Stage) -> None:
    job = ended(stage)
    stage.store.put_json(keys.deleted(job.id), {})
    stage.store.delete(keys.index(job.id, OWNER))

    complete(stage.world, record_of("sqs_s3_put_result"))

    assert stage.keys_under("index/") == [] and stage.keys_under("active/") == []
    assert stage.take(stage.callbacks_url) == [] and stage.take(stage.heard_url) == []


def test_a_released_attempt_is_queued_again_and_is_no_failure(stage: Stage) -> None:
    job = stage.accept(RECORDED_ID)
    stage.release(job)

    complete(stage.world, record_of("sqs_s3_put_released"))

    assert [sent["CustomAttributes"] for sent in stage.runtime.invocations] == ["attempt=2"]
    attempt = stage.store.attempt(job.id, 2)
    assert attempt is not None and attempt.failures == 0 and attempt.invoked_at is not None


def test_sagemakers_error_message_queues_a_further_attempt_and_counts_a_failure(stage: Stage) -> None:
    job = stage.accept(RECORDED_ID)

    complete(stage.world, record_of("sqs_sns_sagemaker_failed"))

    attempt = stage.store.attempt(job.id, 2)
    assert attempt is not None and attempt.failures == 1


def test_many_signals_about_one_attempt_make_one_further_attempt(stage: Stage) -> None:
    job = stage.accept(RECORDED_ID)
    stage.release(job)
    names = ["sqs_s3_put_released", "sqs_sns_sagemaker_failed"] * 3
    random.Random(7).shuffle(names)

    for name in names:
        complete(stage.world, record_of(name))

    assert len(stage.runtime.invocations) == 1
    assert stage.store.files(job.id).last_attempt == 2


def test_a_signal_about_a_lost_attempt_after_the_ending_changes_nothing(stage: Stage) -> None:
    ended(stage)

    complete(stage.world, record_of("sqs_sns_sagemaker_failed"))

    assert stage.runtime.invocations == []


def test_the_last_failure_ends_the_job_and_its_own_event_tells_it(stage: Stage) -> None:
    job = stage.accept(RECORDED_ID, callback_url=HOOK)
    stage.queue_attempt(job, 1, failures=2)

    complete(stage.world, record_of("sqs_sns_sagemaker_failed"))
    result = stage.store.result(job.id)
    assert result is not None and result.error is not None and result.error["code"] == "attempts_exhausted"
    assert stage.take(stage.callbacks_url) == []

    complete(stage.world, record_of("sqs_s3_put_result"))
    assert stage.take(stage.callbacks_url) == [{"job_id": job.id, "event": "job.failed"}]


@pytest.mark.parametrize(
    "name", ["sqs_sns_sagemaker_failed", "sqs_sns_sagemaker_failed_direct", "sqs_s3_test_event", "sqs_reap"]
)
def test_a_message_about_no_job_of_ours_does_nothing(stage: Stage, name: str) -> None:
    with stage.killed_before_write(None) as writes:
        complete(stage.world, record_of(name))

    assert not writes and stage.runtime.invocations == []


def test_only_the_failed_records_of_a_batch_come_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    ended(stage)
    monkeypatch.setattr(complete_module, "wiring", lambda: stage.world)
    good, bad = recorded("sqs_s3_put_result")["Records"][0], recorded("sqs_reap")["Records"][0]
    bad |= {"messageId": "bad", "body": "not JSON"}

    answer = handler({"Records": [bad, good]}, None)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert stage.keys_under("active/") == []


def test_a_batch_that_fails_as_a_whole_is_reported_record_by_record(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(complete_module, "wiring", lambda: stage.world)
    event = recorded("sqs_reap")
    event["Records"][0]["body"] = '{"source": "nobody"}'

    assert len(handler(event, None)["batchItemFailures"]) == 1


def test_an_endpoint_that_is_busy_leaves_the_attempt_to_reap(stage: Stage) -> None:
    job = stage.accept(RECORDED_ID)
    stage.runtime.error = ClientError({"Error": {"Code": "ThrottlingException"}}, "InvokeEndpointAsync")

    with pytest.raises(StoreError):
        complete(stage.world, record_of("sqs_sns_sagemaker_failed"))
    attempt = stage.store.attempt(job.id, 2)
    assert attempt is not None and attempt.invoked_at is None
