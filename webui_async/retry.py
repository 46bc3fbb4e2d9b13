"""retry(): the one place that enqueues an attempt at a job.

Any number of signals about attempt n make at most one attempt n+1.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from webui_async.contract import keys
from webui_async.contract.errors import (
    AttemptsExhausted,
    EndpointRefused,
    JobCanceled,
    JobExpired,
    StoreError,
)
from webui_async.contract.job import MAX_ATTEMPTS, MAX_FAILURES, MAX_TTL_S, MIN_TTL_S, Attempt, Job, Result
from webui_async.contract.times import to_iso
from webui_async.store import Store

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

INVOCATION_TIMEOUT_S = 3600
#: What SageMaker answers when asking again can help, beside any 5xx. Everything else is a refusal for good.
_PASSING = (
    "ThrottlingException",
    "ServiceUnavailable",
    "InternalFailure",
    "InternalDependencyException",
    "ModelNotReadyException",
)


class Lost(enum.Enum):
    """Why attempt n will not end the job."""

    RELEASED = "released"  #: the container gave it back; no failure
    FAILED = "failed"  #: SageMaker reported an error
    VANISHED = "vanished"  #: no heartbeat any more


@dataclass(frozen=True)
class Queue:
    """SageMaker's queue in front of the endpoint, and the clock."""

    runtime: SageMakerRuntimeClient
    now: Callable[[], float]

    def invoke(self, store: Store, job: Job, attempt: Attempt) -> Attempt:
        """The attempt as it stands once SageMaker has taken it; written to its queued.json.

        Raises EndpointRefused when SageMaker refuses for good, StoreError when asking again can help.
        """
        try:
            answer = self.runtime.invoke_endpoint_async(
                EndpointName=job.endpoint,
                InputLocation=store.uri(keys.request(job.id)),
                ContentType="application/json",
                InferenceId=job.id,
                CustomAttributes=f"attempt={attempt.number}",
                RequestTTLSeconds=_ttl_s(job, self.now()),
                InvocationTimeoutSeconds=INVOCATION_TIMEOUT_S,
            )
        except ClientError as error:
            kind = StoreError if _can_pass(error) else EndpointRefused
            raise kind(f"endpoint {job.endpoint!r} did not take job {job.id}: {error}") from error
        except BotoCoreError as error:
            raise StoreError(
                f"endpoint {job.endpoint!r} cannot be reached for job {job.id}: {error}"
            ) from error
        invoked = dataclasses.replace(attempt, invoked_at=self.now(), output_uri=answer.get("OutputLocation"))
        store.put_json(keys.queued(job.id, attempt.number), invoked.to_json())
        return invoked


def enqueue_first(store: Store, queue: Queue, job: Job) -> Attempt | None:
    """Attempt 1, queued and invoked; None when somebody else has the right to it."""
    return _enqueue(store, queue, job, Attempt(1, queue.now()))


def retry(store: Store, queue: Queue, job_id: str, number: int, lost: Lost) -> Attempt | None:
    """The attempt after `number`, queued and invoked; None when there is to be none.

    There is none when the job has ended, when its attempt n+1 exists, and when it ends here: canceled,
    expired, too many failures, too many attempts.
    """
    files = store.files(job_id)
    if (
        files.has(keys.result(job_id))
        or files.has(keys.queued(job_id, number + 1))
        or files.has(keys.deleted(job_id))
    ):
        return None
    job, previous = store.job(job_id), store.attempt(job_id, number)
    if job is None or previous is None:
        return None
    if files.has(keys.released(job_id, number)):
        lost = Lost.RELEASED  # the 503 of a released attempt is reported as a failure too, maybe before it
    failures = previous.failures + (lost is not Lost.RELEASED)
    if files.has(keys.cancel(job_id)):
        # Asked for while it was drawn. No GPU need wake to find that out.
        store.end(Result.of_error(job_id, JobCanceled("the job was canceled by its owner"), queue.now()))
        return None
    if ending := _ending(job, number, failures, lost, queue.now()):
        store.end(ending)
        return None
    return _enqueue(store, queue, job, Attempt(number + 1, queue.now(), failures))


def _enqueue(store: Store, queue: Queue, job: Job, attempt: Attempt) -> Attempt | None:
    if not store.put_json(keys.queued(job.id, attempt.number), attempt.to_json(), if_absent=True):
        return None
    return queue.invoke(store, job, attempt)


def _ending(job: Job, number: int, failures: int, lost: Lost, now: float) -> Result | None:
    if now >= job.expires_at:
        return Result.of_error(job.id, JobExpired(to_iso(job.expires_at)), now)
    if failures >= MAX_FAILURES:
        error = AttemptsExhausted(
            f"{failures} attempts were lost, the last one {lost.value}. "
            "Post the job again, or read the endpoint's log"
        )
        return Result.of_error(job.id, error, now)
    if number >= MAX_ATTEMPTS:
        error = AttemptsExhausted(
            f"{number} attempts were given back unfinished. Post the job again when the endpoint is calm"
        )
        return Result.of_error(job.id, error, now)
    return None


def _can_pass(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or error.response.get("Error", {}).get("Code", "") in _PASSING


def _ttl_s(job: Job, now: float) -> int:
    return max(MIN_TTL_S, min(MAX_TTL_S, int(job.expires_at - now)))
