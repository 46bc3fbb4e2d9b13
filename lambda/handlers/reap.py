"""reap: every five minutes over active/, so that every accepted job ends."""

from __future__ import annotations

from collections import Counter
from typing import Any

from handlers.logs import logger
from handlers.signals import reap_message
from handlers.wiring import Wiring, wiring
from webui_async.contract import keys
from webui_async.contract.errors import JobExpired
from webui_async.contract.job import Job, JobFiles, Metrics, Result
from webui_async.contract.times import to_iso
from webui_async.retry import Lost, enqueue_first, retry
from webui_async.store import Entry

#: complete has this long for an ending before it is told again.
RESULT_AGE_S = 300.0
#: progress.json is written every 2 s; after this long its writer is gone.
HEARTBEAT_AGE_S = 90.0
#: submit and retry() are done with a job well before this.
SUBMIT_AGE_S = 120.0
#: No further job is looked at with less than this left of the function's time.
RESERVE_MS = 15_000


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Lambda's way in: the schedule. Gives how many jobs met which fate."""
    counts = reap(wiring(), context)
    logger().info("reaped", extra=counts)
    return counts


def reap(world: Wiring, context: Any) -> dict[str, int]:
    """What was done, counted; oldest jobs first, as far as the time reaches."""
    counts: Counter[str] = Counter()
    for entry in world.store.list(keys.ACTIVE):
        if context.get_remaining_time_in_millis() < RESERVE_MS:
            counts["out_of_time"] += 1
            break
        counts[_reap_safely(world, entry)] += 1
    return dict(counts)


def _reap_safely(world: Wiring, entry: Entry) -> str:
    """The handler's edge: a job that cannot be dealt with must not stand before those that can."""
    try:
        return reap_job(world, entry)
    except Exception:
        logger().exception("job not reaped", key=entry.key)
        return "failed"


def reap_job(world: Wiring, entry: Entry) -> str:
    """What was done about one entry of active/."""
    active = keys.parse_active(entry.key)
    if active is None:
        return "unknown"
    files, now = world.store.files(active.job_id), world.now()
    if files.has(keys.result(active.job_id)):
        return _complete_again(world, files, now)
    if not files.has(keys.request(active.job_id)):
        return _forget(world, entry, active, now)
    return _reap_attempt(world, files, now)


def _complete_again(world: Wiring, files: JobFiles, now: float) -> str:
    if _age_s(files, keys.result(files.job_id), now) <= RESULT_AGE_S:
        return "ended"
    world.sqs.send_message(QueueUrl=world.settings.events_queue_url, MessageBody=reap_message(files.job_id))
    return "completed_again"


def _forget(world: Wiring, entry: Entry, active: keys.ActiveKey, now: float) -> str:
    """A submit that died before it wrote request.json accepted nothing."""
    if now - entry.modified <= SUBMIT_AGE_S:
        return "arriving"
    world.store.delete(keys.index(active.job_id, active.owner))
    world.store.delete(entry.key)
    return "forgotten"


def _reap_attempt(world: Wiring, files: JobFiles, now: float) -> str:
    """The newest attempt of a job that has not ended: is it alive, lost, or waiting?"""
    job_id, number = files.job_id, files.last_attempt
    if number and files.has(keys.released(job_id, number)):
        return _retry(world, job_id, number, Lost.RELEASED)
    if files.has(keys.progress(job_id)):
        if _age_s(files, keys.progress(job_id), now) <= HEARTBEAT_AGE_S:
            return "alive"
        progress = world.store.progress(job_id)
        if progress is not None and progress.attempt >= number:
            return _retry(world, job_id, number, Lost.VANISHED)
    return _reap_waiting(world, files, now)


def _reap_waiting(world: Wiring, files: JobFiles, now: float) -> str:
    """An attempt that no container has started: SageMaker may hold it until the job expires."""
    job, number = world.store.job(files.job_id), files.last_attempt
    if job is None:
        return "arriving"
    if now >= job.expires_at:
        return _expire(world, job, now)
    if number == 0:
        if _age_s(files, keys.request(job.id), now) <= SUBMIT_AGE_S:
            return "arriving"
        enqueue_first(world.store, world.queue, job)
        return "invoked"
    if _age_s(files, keys.queued(job.id, number), now) <= SUBMIT_AGE_S:
        return "waiting"
    attempt = world.store.attempt(job.id, number)
    if attempt is None or attempt.invoked_at is not None:
        return "waiting"
    world.queue.invoke(world.store, job, attempt)
    return "invoked"


def _retry(world: Wiring, job_id: str, number: int, lost: Lost) -> str:
    return "retried" if retry(world.store, world.queue, job_id, number, lost) else "ended"


def _expire(world: Wiring, job: Job, now: float) -> str:
    error = JobExpired(to_iso(job.expires_at))
    world.store.end(Result.of_error(job.id, error, now, Metrics(total_s=now - job.created_at)))
    return "expired"


def _age_s(files: JobFiles, key: str, now: float) -> float:
    return now - files.modified[key.removeprefix(keys.job(files.job_id))]
