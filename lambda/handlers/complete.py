"""complete: what follows an ending, and the next attempt when one was lost. Fed by the events queue."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from handlers.batches import process_records
from handlers.endings import finish
from handlers.logs import logger
from handlers.signals import AttemptLost, Ended, Signal, read_signals
from handlers.wiring import Wiring, wiring
from webui_async.retry import retry


def handler(event: dict[str, Any], context: Any) -> Any:
    """Lambda's way in: a batch of SQS messages."""
    world = wiring()
    return process_records(event, context, lambda record: complete(world, record))


def complete(world: Wiring, record: SQSRecord) -> None:
    """Everything the message says is acted upon. Doing it again, or in another order, changes nothing."""
    for signal in read_signals(record.body):
        act(world, signal)


def act(world: Wiring, signal: Signal) -> None:
    """One signal acted upon. An ending that retry() writes comes back here as S3's own event."""
    match signal:
        case Ended(job_id):
            finish(world, job_id)
        case AttemptLost(job_id, number, lost):
            if attempt := retry(world.store, world.queue, job_id, number, lost):
                logger().info("attempt queued", job_id=job_id, attempt=attempt.number, lost=lost.value)
