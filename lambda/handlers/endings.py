"""What follows an ending: index status, SNS, callback queue, metrics, active entry gone.

Each step is repeatable. The entry under active/ goes last, so it says whether there is anything left to do: a
message that comes again finds it gone and does nothing. When a run breaks off before that, or two run at
once, the steps are done twice: the topic's readers and the metrics then have the ending twice, which an alarm
can bear; deliver calls back once all the same.
"""

from __future__ import annotations

import json
from typing import Any

from handlers import metrics
from handlers.logs import logger
from handlers.wiring import Wiring
from webui_async.contract import keys
from webui_async.contract.job import Job, Result
from webui_async.store import Store


def finish(world: Wiring, job_id: str) -> None:
    """Every step that follows the job's ending is done. Nothing happens when it was done before."""
    store = world.store
    active = next(store.list(f"{keys.ACTIVE}{job_id}.", limit=1), None)
    if active is None:
        return
    files = store.files(job_id)
    if not files.has(keys.result(job_id)):
        return
    if files.has(keys.request(job_id)) and not files.has(keys.deleted(job_id)):
        _tell(world, job_id)
    store.delete(active.key)


def _tell(world: Wiring, job_id: str) -> None:
    job, result = world.store.job(job_id), world.store.result(job_id)
    if job is None or result is None:
        return  # deleted since we looked
    _index(world.store, job, result)
    _publish(world, job, result)
    _enqueue_callback(world, job, result)
    metrics.count(world.settings.endpoint, result)
    logger().info("job ended", job_id=job_id, status=result.status.value)


def event_of(result: Result) -> str:
    """The ending's name in SNS messages and callbacks."""
    return f"job.{result.status.value}"


def _index(store: Store, job: Job, result: Result) -> None:
    store.put_mark(keys.index_status(job.id, job.owner, job.kind.value, result.status.value))


def _publish(world: Wiring, job: Job, result: Result) -> None:
    event = event_of(result)
    world.sns.publish(
        TopicArn=world.settings.topic_arn,
        Message=json.dumps(_message(world.store, job, result)),
        # So that a subscription can filter.
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value}
            for name, value in (("event", event), ("kind", job.kind.value), ("owner", job.owner))
        },
    )


def _message(store: Store, job: Job, result: Result) -> dict[str, Any]:
    message: dict[str, Any] = {
        "event": event_of(result),
        "job_id": job.id,
        "kind": job.kind.value,
        "status": result.status.value,
        "owner": job.owner,
        "output_uri": store.uri(keys.result(job.id)),
        "images": [store.uri(image.key) for image in result.images],
    }
    return message | ({"error": result.error} if result.error else {})


def _enqueue_callback(world: Wiring, job: Job, result: Result) -> None:
    if not job.callback_url:
        return
    event = event_of(result)
    world.sqs.send_message(
        QueueUrl=world.settings.callbacks_queue_url,
        MessageBody=json.dumps({"job_id": job.id, "event": event}),
        MessageGroupId=job.id,
        MessageDeduplicationId=f"{job.id}.{event}",
    )
