"""The caller's job and its document, from the objects that exist."""

from __future__ import annotations

from typing import Any

from handlers.http import Call
from handlers.views import job_view
from handlers.wiring import Wiring
from webui_async.contract import keys
from webui_async.contract.errors import JobDeleted, UnknownJob
from webui_async.contract.job import Job, JobFiles, Status, status_of


def find_job(world: Wiring, owner: str, job_id: str) -> tuple[Job, JobFiles]:
    """The owner's job and which of its objects exist.

    Raises UnknownJob, also for another owner's, and JobDeleted.
    """
    if not keys.is_job_id(job_id):
        raise UnknownJob(job_id)
    files = world.store.files(job_id)
    if files.has(keys.deleted(job_id)):
        raise _gone(tombstone_of(world, owner, job_id), job_id)
    job = world.store.job(job_id) if files.has(keys.request(job_id)) else None
    if job is None or job.owner != owner:
        raise UnknownJob(job_id)
    return job, files


def tombstone_of(world: Wiring, owner: str, job_id: str) -> dict[str, Any] | None:
    """deleted.json of the owner's job; None when the job was not deleted, or is another owner's."""
    tombstone = world.store.get_json(keys.deleted(job_id)) if keys.is_job_id(job_id) else None
    return tombstone if tombstone and tombstone.get("owner") == owner else None


def _gone(tombstone: dict[str, Any] | None, job_id: str) -> JobDeleted | UnknownJob:
    if tombstone is None:
        return UnknownJob(job_id)
    return JobDeleted(f"job {job_id} was deleted at {tombstone.get('deleted_at')}")


def show(world: Wiring, call: Call, job: Job, files: JobFiles) -> dict[str, Any]:
    """The job's document as it stands."""
    result = world.store.result(job.id) if files.has(keys.result(job.id)) else None
    is_in_hand = result is None and files.has(keys.progress(job.id))
    progress = world.store.progress(job.id) if is_in_hand else None
    is_queued = status_of(files, progress, result) is Status.QUEUED
    ahead = count_ahead(world, job) if is_queued else None
    return job_view(world, job, files, progress, result, call.base_url, queue_ahead=ahead)


def count_ahead(world: Wiring, job: Job) -> int:
    """Unfinished jobs that were accepted before this one, whoever's."""
    own, count = keys.active(job.id, job.owner), 0
    for entry in world.store.list(keys.ACTIVE):
        if entry.key >= own:
            break
        count += 1
    return count
