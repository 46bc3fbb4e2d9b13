"""deliver: calls back whoever asked, signed after Standard Webhooks. Fed by the callbacks queue."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from handlers.batches import process_records
from handlers.callback_http import Answer, Poster
from handlers.callback_retry import delay_s
from handlers.callback_url import check_callback_url
from handlers.logs import logger
from handlers.views import job_view
from handlers.wiring import Wiring, wiring
from webui_async.contract import keys, signature
from webui_async.contract.errors import CallbackFailed, CallbackRefused, SettingsError
from webui_async.contract.job import Job, JobFiles, Result
from webui_async.contract.times import to_iso

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

#: Standard Webhooks: under 20 kB.
MAX_BODY_BYTES = 20_000
#: For so long a changed master secret may go unseen.
_MASTERS_S = 60
_GONE = 410


def handler(event: dict[str, Any], context: Any) -> Any:
    """Lambda's way in: a batch of SQS messages."""
    world, poster = wiring(), _poster()
    return process_records(event, context, lambda record: deliver(world, poster, record))


@functools.cache
def _poster() -> Poster:
    return Poster()


@dataclass(frozen=True)
class Callback:
    """One ending that is to be told."""

    job: Job
    files: JobFiles
    result: Result
    event: str

    @property
    def webhook_id(self) -> str:
        return f"{self.job.id}.{self.event}"


def deliver(world: Wiring, poster: Poster, record: SQSRecord) -> None:
    """The message's callback is made, unless it was before. One that was not taken is tried again later."""
    message = json.loads(record.body)
    callback = _read_callback(world, message["job_id"], message["event"])
    if callback is None:
        return
    deliveries = _read_deliveries(world, callback)
    if any(made["webhook_id"] == callback.webhook_id and _is_final(made["status"]) for made in deliveries):
        return
    answer, error = _attempt(world, poster, callback)
    status = answer.status if answer else None
    made = {"webhook_id": callback.webhook_id, "at": to_iso(world.now()), "status": status, "error": error}
    world.store.put_json(keys.callback(callback.job.id), {"deliveries": [*deliveries, made]})
    logger().info("callback made", job_id=callback.job.id, callback_event=callback.event, status=status)
    if not _is_final(status):
        _postpone(world, record, answer.retry_after if answer else None)
        raise CallbackFailed(error or f"the receiver of job {callback.job.id}'s callback answered {status}")


def _read_callback(world: Wiring, job_id: str, event: str) -> Callback | None:
    """What there is to tell; None when the job's contents were deleted or it asked for no callback."""
    files = world.store.files(job_id)
    if files.has(keys.deleted(job_id)) or not files.has(keys.request(job_id)):
        return None
    job, result = world.store.job(job_id), world.store.result(job_id)
    if job is None or result is None or job.callback_url is None:
        return None
    return Callback(job, files, result, event)


def _read_deliveries(world: Wiring, callback: Callback) -> list[dict[str, Any]]:
    """Every try so far, oldest first."""
    key = keys.callback(callback.job.id)
    document = world.store.get_json(key) if callback.files.has(key) else None
    return list(document["deliveries"]) if document else []


def _attempt(world: Wiring, poster: Poster, callback: Callback) -> tuple[Answer | None, str | None]:
    """The receiver's answer, or why there is none."""
    body = make_body(world, callback)
    secrets = owner_secrets(world, callback.job.owner)
    headers = signature.sign(secrets, callback.webhook_id, int(world.now()), body)
    try:
        url = check_callback_url(callback.job.callback_url, world.settings.callback_allow_hosts)
        return poster.post(url, headers, body), None
    except (CallbackRefused, CallbackFailed) as error:
        return None, str(error)


def make_body(world: Wiring, callback: Callback) -> bytes:
    """The callback's JSON, under 20 kB: without the webui's info, and if need be with the API's own links."""
    for links, is_trimmed in ((True, False), (False, False), (False, True)):
        view = job_view(
            world, callback.job, callback.files, None, callback.result, world.settings.api_url, links
        )
        view.pop("info", None)
        if is_trimmed:
            view |= {"images": [], "warnings": []}  # GET /jobs/{id} has them all
        document = {"type": callback.event, "timestamp": to_iso(callback.result.ended_at), "data": view}
        body = json.dumps(document, separators=(",", ":")).encode()
        if len(body) < MAX_BODY_BYTES:
            break
    return body


def owner_secrets(world: Wiring, owner: str) -> list[str]:
    """The secrets that the owner's callbacks are signed with: two while the master rotates."""
    masters = _read_masters(world.secrets, world.settings.callback_secret_arn, int(world.now() // _MASTERS_S))
    return [signature.owner_secret(master, owner) for master in masters]


@functools.lru_cache(maxsize=1)
def _read_masters(secrets: SecretsManagerClient, arn: str, period: int) -> tuple[str, ...]:
    """The masters in force, newest first. period: changes once in a while, so that a rotation is seen."""
    document = json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"])
    masters = tuple(document[name] for name in ("current", "previous") if document.get(name))
    if not masters:
        raise SettingsError(f"secret {arn} holds no master; it must be JSON with current and previous")
    return masters


def _is_final(status: int | None) -> bool:
    """Whether the receiver has spoken its last word: it took the callback, or wants no more of them."""
    return status is not None and (200 <= status < 300 or status == _GONE)


def _postpone(world: Wiring, record: SQSRecord, retry_after: str | None) -> None:
    tries = int(record.attributes.approximate_receive_count or 1)
    wait_s = delay_s(tries, retry_after, world.now(), world.random(1)[0] / 255)
    world.sqs.change_message_visibility(
        QueueUrl=world.settings.callbacks_queue_url,
        ReceiptHandle=record.receipt_handle,
        VisibilityTimeout=wait_s,
    )
