"""What a message of the events queue says happened: S3's, SageMaker's through SNS, or reap's."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webui_async.contract import keys
from webui_async.contract.errors import MalformedBody
from webui_async.retry import Lost

#: The source that reap writes into its messages.
REAP = "reap"
_ATTEMPT = re.compile(r"(?:^|[;,\s])attempt=(\d+)")


@dataclass(frozen=True)
class Ended:
    """The job's result.json was written."""

    job_id: str


@dataclass(frozen=True)
class AttemptLost:
    """Attempt `number` will not end the job."""

    job_id: str
    number: int
    lost: Lost


Signal = Ended | AttemptLost


def read_signals(body: str) -> list[Signal]:
    """What a message says of our jobs: nothing when it speaks of something else.

    Raises MalformedBody when it is no message we know.
    """
    try:
        message = json.loads(body)
        if "Records" in message:
            return [signal for record in message["Records"] if (signal := _of_key(_object_key(record)))]
        if message.get("Event") == "s3:TestEvent":
            return []
        if message.get("Type") == "Notification":
            return _of_sagemaker(json.loads(message["Message"]))
        if message.get("source") == REAP:
            signal = _of_key(message["key"])
            return [signal] if signal else []
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise MalformedBody(f"a message of the events queue cannot be read: {error!r}") from error
    raise MalformedBody(f"a message of the events queue is of no known source; it holds {sorted(message)}")


def reap_message(job_id: str) -> str:
    """The body that has complete run again for a job that ended."""
    return json.dumps({"key": keys.result(job_id), "source": REAP})


def _object_key(record: Mapping[str, Any]) -> str:
    # S3 encodes keys as an HTML form does: a space is a plus.
    return urllib.parse.unquote_plus(record["s3"]["object"]["key"])


def _of_key(key: str) -> Signal | None:
    job_id = keys.job_id_of(key)
    if job_id is None:
        return None
    if key == keys.result(job_id):
        return Ended(job_id)
    number = keys.attempt_of(key)
    if number is not None and key == keys.released(job_id, number):
        return AttemptLost(job_id, number, Lost.RELEASED)
    return None


def _of_sagemaker(message: Mapping[str, Any]) -> list[Signal]:
    """SageMaker's InferenceResult message. One of an invocation made by hand names no attempt of ours."""
    attributes = (message.get("requestParameters") or {}).get("customAttributes") or ""
    job_id, attempt = message.get("inferenceId") or "", _ATTEMPT.search(attributes)
    if message.get("invocationStatus") != "Failed" or attempt is None or not keys.is_job_id(job_id):
        return []
    return [AttemptLost(job_id, int(attempt[1]), Lost.FAILED)]
