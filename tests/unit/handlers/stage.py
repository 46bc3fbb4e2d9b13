"""A function's world in one process: moto's AWS, a SageMaker queue that only remembers, a clock."""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from handlers.wiring import Wiring
from moto import mock_aws

from webui_async.contract import keys
from webui_async.contract.job import Attempt, Image, Job, Metrics, Progress, Result, Status
from webui_async.contract.payload import Kind
from webui_async.contract.settings import HandlerSettings

EVENTS = Path(__file__).resolve().parents[2] / "events"
#: The job that the recorded events speak of.
RECORDED_ID = "01948f3e-7a10-7cc1-9b5e-3f0a6c2d8e41"
OWNER, ENDPOINT, REGION = "owner-1", "webui-async", "eu-central-1"


@functools.cache
def _session() -> boto3.Session:
    """One for all tests: reading botocore's service models is most of what a client costs."""
    return boto3.Session(region_name=REGION)


class Killed(BaseException):
    """The process is gone: nothing may catch it."""


class Runtime:
    """InvokeEndpointAsync, and who asked for what."""

    def __init__(self) -> None:
        self.invocations: list[dict[str, Any]] = []
        self.error: Exception | None = None

    def invoke_endpoint_async(self, **request: Any) -> dict[str, Any]:
        if self.error:
            raise self.error
        self.invocations.append(request)
        return {"OutputLocation": f"s3://out/{len(self.invocations)}.out"}


class Stage:
    """The world and hands to move it."""

    def __init__(self) -> None:
        self.runtime, self.offset_s = Runtime(), 0.0
        self.clients: dict[str, Any] = {"sagemaker-runtime": self.runtime}
        for name in ("s3", "sqs", "sns", "secretsmanager"):
            self.clients[name] = _session().client(name)
        self.s3, self.sqs, self.sns = (self.clients[name] for name in ("s3", "sqs", "sns"))
        self.s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
        self.events_url = self._queue("events")
        self.callbacks_url = self._queue("callbacks.fifo", FifoQueue="true")
        self.heard_url = self._queue("heard")
        self.topic_arn = self.sns.create_topic(Name="endings")["TopicArn"]
        heard_arn = self.sqs.get_queue_attributes(QueueUrl=self.heard_url, AttributeNames=["QueueArn"])
        self.sns.subscribe(
            TopicArn=self.topic_arn,
            Protocol="sqs",
            Endpoint=heard_arn["Attributes"]["QueueArn"],
            Attributes={"RawMessageDelivery": "true"},
        )
        self.secret_arn = self.clients["secretsmanager"].create_secret(
            Name="callbacks", SecretString=json.dumps({"current": "new master", "previous": ""})
        )["ARN"]
        self.world = self.wire()
        self.store = self.world.store

    def _queue(self, name: str, **attributes: str) -> str:
        return str(self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])

    def wire(self, **settings: Any) -> Wiring:
        """A world of this stage; each has its own settings."""
        return Wiring(
            HandlerSettings(
                bucket="bucket",
                endpoint=ENDPOINT,
                topic_arn=self.topic_arn,
                events_queue_url=self.events_url,
                callbacks_queue_url=self.callbacks_url,
                callback_secret_arn=self.secret_arn,
                api_url="https://api.example.com/v1",
                **settings,
            ),
            now=lambda: time.time() + self.offset_s,
            sleep=lambda seconds: None,
            random=lambda size: b"\x80" * size,
            make_client=self.clients.__getitem__,
        )

    # What lies in the bucket ------------------------------------------------------------------------------

    def accept(self, job_id: str | None = None, ttl_s: float = 3600.0, **fields: Any) -> Job:
        """A job as submit leaves it once it is invoked."""
        job = self.accept_unqueued(job_id, ttl_s, **fields)
        self.queue_attempt(job, 1)
        return job

    def accept_unqueued(self, job_id: str | None = None, ttl_s: float = 3600.0, **fields: Any) -> Job:
        now = self.world.now()
        job_id = job_id or keys.new_job_id(now, len(list(self.store.list("jobs/"))).to_bytes(10, "big"))
        payload = {"prompt": "a red boat"}
        job = Job(job_id, Kind.TXT2IMG, payload, OWNER, ENDPOINT, now, now + ttl_s, **fields)
        self.store.put_mark(keys.active(job.id, OWNER))
        self.store.put_mark(keys.index(job.id, OWNER))
        self.store.put_json(keys.request(job.id), job.to_json())
        return job

    def queue_attempt(self, job: Job, number: int, failures: int = 0, is_invoked: bool = True) -> None:
        now = self.world.now()
        attempt = Attempt(number, now, failures, now if is_invoked else None)
        self.store.put_json(keys.queued(job.id, number), attempt.to_json())

    def beat(self, job: Job, attempt: int = 1) -> None:
        progress = Progress(attempt, "0a1b2c3d", "host-1", self.world.now(), self.world.now())
        self.store.put_json(keys.progress(job.id), progress.to_json())

    def release(self, job: Job, attempt: int = 1) -> None:
        self.store.put_mark(keys.released(job.id, attempt))

    def end(self, job: Job, status: Status = Status.SUCCEEDED, pictures: int = 1) -> Result:
        images = tuple(
            Image(keys.picture(job.id, "0a1b2c3d", number, "png"), 42 + number, 64, 64)
            for number in range(pictures)
        )
        metrics = Metrics(1.5, 2.5, 4.0, 0.001)
        result = Result(
            job.id, status, self.world.now(), "0a1b2c3d", images, {"seed": 42}, ("slow",), None, metrics
        )
        assert self.store.end(result)
        return result

    def keys_under(self, prefix: str) -> list[str]:
        return [entry.key for entry in self.store.list(prefix)]

    # What was said ----------------------------------------------------------------------------------------

    def take(self, queue_url: str) -> list[dict[str, Any]]:
        """Every message that a queue holds, removed from it."""
        bodies = []
        while messages := self.sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                bodies.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    # What goes wrong --------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def killed_before_write(self, number: int | None) -> Iterator[Counter[str]]:
        """The process dies right before its n-th write; with None it lives, and the writes are counted."""
        writes: Counter[str] = Counter()

        def count(model: Any, **_: Any) -> None:
            if model.name in ("PutObject", "DeleteObject", "Publish", "SendMessage"):
                if sum(writes.values()) == number:
                    raise Killed
                writes[model.name] += 1

        clients = (self.s3, self.sqs, self.sns)
        for client in clients:
            client.meta.events.register("before-call", count)
        try:
            yield writes
        except Killed:
            assert number is not None
        finally:
            for client in clients:
                client.meta.events.unregister("before-call", count)


@contextlib.contextmanager
def open_stage() -> Iterator[Stage]:
    with mock_aws():
        yield Stage()


def recorded(name: str, job_id: str = RECORDED_ID) -> dict[str, Any]:
    """A recorded AWS event, speaking of `job_id`."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text().replace(RECORDED_ID, job_id))
    return event


def record_of(name: str, job_id: str = RECORDED_ID) -> SQSRecord:
    """The one record of a recorded SQS event."""
    return SQSRecord(recorded(name, job_id)["Records"][0])
