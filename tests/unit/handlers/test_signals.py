"""What a message of the events queue says: recorded ones, and those that moto's S3 and SNS really send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from handlers.signals import AttemptLost, Ended, Signal, read_signals, reap_message

from tests.unit.handlers.stage import RECORDED_ID, Stage, open_stage, record_of
from webui_async.contract.errors import MalformedBody
from webui_async.retry import Lost


@pytest.fixture
def stage() -> Iterator[Stage]:
    with open_stage() as made:
        yield made


@pytest.mark.parametrize(
    ("name", "signals"),
    [
        ("sqs_s3_put_result", [Ended(RECORDED_ID)]),
        ("sqs_s3_put_result_moto", [Ended(RECORDED_ID)]),
        ("sqs_s3_put_released", [AttemptLost(RECORDED_ID, 1, Lost.RELEASED)]),
        ("sqs_sns_sagemaker_failed", [AttemptLost(RECORDED_ID, 1, Lost.FAILED)]),
        ("sqs_sns_sagemaker_failed_direct", []),
        ("sqs_s3_test_event", []),
        ("sqs_reap", [Ended(RECORDED_ID)]),
    ],
)
def test_recorded_messages(name: str, signals: list[Signal]) -> None:
    assert read_signals(record_of(name).body) == signals


@pytest.mark.parametrize(
    "key",
    [
        "jobs/by-hand/result.json",
        f"jobs/{RECORDED_ID}/progress.json",
        f"jobs/{RECORDED_ID}/runs/0a1b2c3d/result.json",
        f"jobs/{RECORDED_ID}/attempts/1/queued.json",
        f"jobs/{RECORDED_ID}/attempts/x/released.json",
        f"other/jobs/{RECORDED_ID}/result.json",
    ],
)
def test_a_key_that_is_no_ending_and_no_release_says_nothing(key: str) -> None:
    body = json.dumps({"Records": [{"s3": {"object": {"key": key}}}]})

    assert read_signals(body) == []


def test_the_attempt_is_found_among_other_attributes() -> None:
    def message(attributes: str) -> str:
        told = {
            "invocationStatus": "Failed",
            "inferenceId": RECORDED_ID,
            "requestParameters": {"customAttributes": attributes},
        }
        return json.dumps({"Type": "Notification", "Message": json.dumps(told)})

    assert read_signals(message("trace=1;attempt=12")) == [AttemptLost(RECORDED_ID, 12, Lost.FAILED)]
    for attributes in ("", "reattempt=3", "attempt=", "attempt=x"):
        assert read_signals(message(attributes)) == []


@pytest.mark.parametrize(
    "body",
    ["", "not JSON", "[]", "null", "{}", '{"source": "nobody"}', '{"Records": [{}]}', '{"source": "reap"}'],
)
def test_a_message_of_no_known_source_is_an_error_and_so_ends_among_the_dead(body: str) -> None:
    with pytest.raises(MalformedBody):
        read_signals(body)


def test_what_reap_writes_is_what_complete_reads() -> None:
    assert read_signals(reap_message(RECORDED_ID)) == [Ended(RECORDED_ID)]


def receive(stage: Stage) -> list[Signal]:
    return [signal for body in stage.take(stage.events_url) for signal in read_signals(json.dumps(body))]


def arn_of(stage: Stage, queue_url: str) -> str:
    answer = stage.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])


def test_s3s_own_events_are_understood(stage: Stage) -> None:
    def notify(suffix: str) -> dict[str, Any]:
        rules = [{"Name": "prefix", "Value": "jobs/"}, {"Name": "suffix", "Value": suffix}]
        return {
            "QueueArn": arn_of(stage, stage.events_url),
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": rules}},
        }

    queues = [notify("/result.json"), notify("/released.json")]
    stage.s3.put_bucket_notification_configuration(
        Bucket="bucket", NotificationConfiguration={"QueueConfigurations": queues}
    )
    job = stage.accept()
    stage.beat(job)
    stage.release(job)
    stage.end(job)

    # The first is S3's own test event.
    assert receive(stage) == [AttemptLost(job.id, 1, Lost.RELEASED), Ended(job.id)]


def test_snss_own_envelope_is_understood(stage: Stage) -> None:
    topic = stage.sns.create_topic(Name="sagemaker-errors")["TopicArn"]
    stage.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn_of(stage, stage.events_url))
    told = json.loads(json.loads(record_of("sqs_sns_sagemaker_failed").body)["Message"])
    stage.sns.publish(TopicArn=topic, Message=json.dumps(told))

    assert receive(stage) == [AttemptLost(RECORDED_ID, 1, Lost.FAILED)]
