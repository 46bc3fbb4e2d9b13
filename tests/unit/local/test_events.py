"""local/events.py: queues and schedules that invoke functions."""

import json
import threading
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from moto.sqs.models import Queue

from webui_async.local.deployed import EventSource, Schedule
from webui_async.local.errors import FunctionFailed, StackError
from webui_async.local.events import QueueReader, Scheduler, done_messages, schedule_event, sqs_event
from webui_async.local.moto_process import wait_without_spinning

RECORDED = Path(__file__).parents[2] / "events"
ARN = "arn:aws:sqs:eu-central-1:123456789012:events"
BATCH = [{"MessageId": name, "ReceiptHandle": f"r-{name}", "Body": "{}"} for name in "abc"]


def recorded(name):
    return json.loads((RECORDED / name).read_text())


def test_a_queue_event_has_the_shape_of_a_recorded_one():
    record = recorded("sqs_s3_put_result.json")["Records"][0]
    made = sqs_event([{**BATCH[0], "Attributes": {"ApproximateReceiveCount": "1"}, "MD5OfBody": "x"}], ARN)[
        "Records"
    ][0]
    assert set(made) == set(record)
    assert made["attributes"]["ApproximateReceiveCount"] == "1"


def test_message_attributes_are_written_as_lambda_writes_them():
    message = BATCH[0] | {"MessageAttributes": {"kind": {"StringValue": "txt2img", "DataType": "String"}}}
    attribute = sqs_event([message], ARN)["Records"][0]["messageAttributes"]["kind"]
    assert (attribute["stringValue"], attribute["dataType"]) == ("txt2img", "String")


def test_a_schedule_event_has_the_shape_of_a_recorded_one():
    schedule = Schedule("S", "arn:aws:events:eu-central-1:123456789012:rule/reap", "reap", 300.0)
    made = schedule_event(schedule, 1_700_000_000.0)
    assert set(made) == set(recorded("schedule.json"))
    assert (made["time"], made["region"]) == ("2023-11-14T22:13:20Z", "eu-central-1")
    assert schedule_event(Schedule("S", "arn", "reap", 300.0, {"own": 1}), 0.0) == {"own": 1}


@pytest.mark.parametrize(
    ("result", "reports", "kept"),
    [
        (None, True, ""),
        ({"batchItemFailures": []}, True, ""),
        ({"batchItemFailures": [{"itemIdentifier": "b"}]}, True, "b"),
        ({"batchItemFailures": [{"itemIdentifier": "b"}]}, False, ""),
        ({"batchItemFailures": [{"itemIdentifier": "unknown"}]}, True, "abc"),
        ({"batchItemFailures": [{}]}, True, "abc"),
    ],
)
def test_what_a_function_names_as_failed_is_kept(result, reports, kept):
    done = [message["MessageId"] for message in done_messages(BATCH, result, reports)]
    assert set("abc") - set(done) == set(kept)


@pytest.fixture
def sqs(monkeypatch):
    monkeypatch.setattr(Queue, "wait_for_messages", wait_without_spinning)  # as in the local stack
    with mock_aws():
        yield boto3.client("sqs")


def reader(sqs, invoke, fifo=False, **options):
    attributes = {"VisibilityTimeout": "600"} | ({"FifoQueue": "true"} if fifo else {})
    url = sqs.create_queue(QueueName="q.fifo" if fifo else "q", Attributes=attributes)["QueueUrl"]
    source = EventSource("Events", ARN, "complete", reports_failures=True, **options)
    return url, QueueReader(source, sqs, url, invoke, concurrency=2)


def left(sqs, url):
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"]), int(
        attributes["ApproximateNumberOfMessagesNotVisible"]
    )


def test_done_messages_are_deleted_and_failed_ones_stay(sqs):
    def invoke(_name, event):
        failed = [record["messageId"] for record in event["Records"] if record["body"] == "bad"]
        return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}

    url, queue = reader(sqs, invoke)
    for body in ("good", "bad", "good"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    queue.handle(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"])
    assert left(sqs, url) == (0, 1)


def test_a_function_that_fails_keeps_the_whole_batch(sqs):
    def invoke(name, _event):
        raise FunctionFailed(name, "ValueError", "no ink")

    url, queue = reader(sqs, invoke)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    queue.handle(sqs.receive_message(QueueUrl=url)["Messages"])
    assert left(sqs, url) == (0, 1)


@pytest.mark.parametrize("fifo", [False, True])
def test_every_message_reaches_the_function_and_a_doubled_one_twice(sqs, fifo):
    seen, all_seen = [], threading.Event()

    def invoke(name, event):
        seen.extend((name, record["body"]) for record in event["Records"])
        if len(seen) == 4:
            all_seen.set()

    url, queue = reader(sqs, invoke, fifo, batch_size=1)
    for place, body in enumerate("abab"):
        group = {"MessageGroupId": body, "MessageDeduplicationId": str(place)} if fifo else {}
        sqs.send_message(QueueUrl=url, MessageBody=body, **group)
    queue.start()
    assert all_seen.wait(30)
    queue.stop()
    sqs.send_message(
        QueueUrl=url,
        MessageBody="",
        **({"MessageGroupId": "z", "MessageDeduplicationId": "z"} if fifo else {}),
    )
    queue.join(5)
    assert sorted(seen) == [("complete", body) for body in "aabb"]


def test_a_schedule_runs_when_told_and_by_the_clock():
    asked, twice = [], threading.Event()

    def invoke(name, event):
        asked.append((name, event["detail-type"]))
        if len(asked) == 3:
            twice.set()
        if len(asked) == 2:
            raise FunctionFailed(name, "ValueError", "asked for")
        return "reaped"

    rule = "arn:aws:events:eu-central-1:123456789012:rule/reap"
    scheduler = Scheduler([Schedule("Reap", rule, "reap", 0.02)], invoke)
    assert scheduler.run("Reap") == "reaped"
    scheduler.start()
    assert twice.wait(10)
    scheduler.stop()
    assert set(asked) == {("reap", "Scheduled Event")}
    with pytest.raises(StackError, match="no schedule 'Other'; there are Reap"):
        scheduler.run("Other")
