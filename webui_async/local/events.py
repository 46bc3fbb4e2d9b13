"""Lambda's event sources: queues read for their functions, schedules kept. moto does S3 and SNS to SQS."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from webui_async.local.control_plane import ACCOUNT
from webui_async.local.deployed import EventSource, Schedule
from webui_async.local.errors import FunctionFailed, StackError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

log = logging.getLogger(__name__)

Invoke = Callable[[str, Any], Any]
Message = dict[str, Any]
#: SQS's longest wait: a waiting receiver is told of a message at once, so this costs nothing.
_WAIT_S = 20
_PAUSE_S = 1.0


def sqs_event(messages: Iterable[Message], queue_arn: str) -> dict[str, Any]:
    """The event a function gets for these messages of ReceiveMessage."""
    return {"Records": [_record(message, queue_arn) for message in messages]}


def _record(message: Message, queue_arn: str) -> dict[str, Any]:
    attributes = message.get("MessageAttributes") or {}
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes") or {},
        "messageAttributes": {
            name: {
                "stringValue": value.get("StringValue"),
                "dataType": value["DataType"],
                "stringListValues": [],
                "binaryListValues": [],
            }
            for name, value in attributes.items()
        },
        "md5OfBody": message.get("MD5OfBody", ""),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }


def done_messages(messages: Sequence[Message], result: Any, reports_failures: bool) -> list[Message]:
    """The messages of a batch that are done with, and so to be deleted.

    A function that reports failures names the messages to keep; a name that is not in the batch keeps them
    all, as on Lambda.
    """
    if not reports_failures or not result or not result.get("batchItemFailures"):
        return list(messages)
    failed = {item.get("itemIdentifier") for item in result["batchItemFailures"]}
    if not failed <= {message["MessageId"] for message in messages}:
        return []
    return [message for message in messages if message["MessageId"] not in failed]


class QueueReader:
    """Reads one queue and invokes its function.

    One thread receives, so no message is received twice at once. It signs as the function's role.
    """

    def __init__(self, source: EventSource, sqs: SQSClient, url: str, invoke: Invoke, concurrency: int):
        self.source, self._sqs, self._url, self._invoke = source, sqs, url, invoke
        self._free = threading.BoundedSemaphore(concurrency)
        self._working = ThreadPoolExecutor(concurrency, thread_name_prefix=source.name)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=source.name, daemon=True)

    def start(self) -> None:
        """Read until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Receive no more. A receiver that waits notices when the queue goes, or when its wait is over."""
        self._stopping.set()

    def join(self, timeout_s: float) -> None:
        """Wait for the receiver to end."""
        self._thread.join(timeout_s)
        self._working.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._free.acquire()
            messages = self._receive()
            if messages and not self._stopping.is_set():
                self._working.submit(self._work, messages)
            else:
                self._free.release()

    def _receive(self) -> list[Message]:
        try:
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(10, self.source.batch_size),
                WaitTimeSeconds=_WAIT_S,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        except (BotoCoreError, ClientError) as error:
            if not self._stopping.is_set():
                log.warning("cannot read %s: %s", self._url, error)
                self._stopping.wait(_PAUSE_S)
            return []
        return [dict(message) for message in answer.get("Messages", [])]

    def _work(self, messages: list[Message]) -> None:
        try:
            self.handle(messages)
        except (BotoCoreError, ClientError) as error:
            if not self._stopping.is_set():
                log.warning("cannot delete what %s has done: %s", self.source.function_name, error)
        finally:
            self._free.release()

    def handle(self, messages: list[Message]) -> None:
        """Invoke the function with the batch and delete what is done; the rest shows up again by itself."""
        try:
            result = self._invoke(self.source.function_name, sqs_event(messages, self.source.queue_arn))
        except FunctionFailed as error:
            if not self._stopping.is_set():
                log.warning("%s", error)
            return
        done = done_messages(messages, result, self.source.reports_failures)
        if done:
            entries: Any = [
                {"Id": str(place), "ReceiptHandle": message["ReceiptHandle"]}
                for place, message in enumerate(done)
            ]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)


def schedule_event(schedule: Schedule, now: float) -> Any:
    """The event a function gets from its schedule."""
    if schedule.input is not None:
        return schedule.input
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        "region": schedule.rule_arn.split(":")[3],
        "resources": [schedule.rule_arn],
        "detail": {},
    }


class Scheduler:
    """Invokes functions by the clock; `run` does so at once."""

    def __init__(self, schedules: Sequence[Schedule], invoke: Invoke, now: Callable[[], float] = time.time):
        self._schedules = {schedule.name: schedule for schedule in schedules}
        self._invoke, self._now = invoke, now
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep, args=(schedule,), name=schedule.name, daemon=True)
            for schedule in schedules
        ]

    def start(self) -> None:
        """Keep every schedule until `stop`; each first runs when its period is over."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Invoke nothing any more."""
        self._stopping.set()

    def run(self, name: str) -> Any:
        """What the schedule's function returns, invoked now.

        Raises FunctionFailed, and StackError when there is no such schedule.
        """
        if name not in self._schedules:
            raise StackError(
                f"there is no schedule {name!r}; there are {', '.join(sorted(self._schedules)) or 'none'}"
            )
        schedule = self._schedules[name]
        return self._invoke(schedule.function_name, schedule_event(schedule, self._now()))

    def _keep(self, schedule: Schedule) -> None:
        while not self._stopping.wait(schedule.period_s):
            try:
                self.run(schedule.name)
            except FunctionFailed as error:
                log.warning("%s", error)
