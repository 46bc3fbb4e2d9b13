"""Ending a job by its owner's wish, and removing an ended one."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from handlers import http
from handlers.hold import held_until
from handlers.http import Call
from handlers.lookup import find_job, show, tombstone_of
from handlers.wiring import Wiring
from webui_async.contract import keys
from webui_async.contract.errors import JobCanceled, JobEnded, JobNotEnded
from webui_async.contract.job import Job, JobFiles, Metrics, Result, Status, status_of
from webui_async.contract.payload import fill_uploads
from webui_async.contract.times import to_iso
from webui_async.store import Store


def cancel_job(world: Wiring, call: Call, job_id: str) -> Response[str]:
    """POST /jobs/{id}/cancel: 200 canceled, 202 asked to stop drawing, 409 ended already."""
    job, files = find_job(world, call.owner(world), job_id)
    if files.has(keys.result(job_id)):
        raise _ended(world.store, job_id)
    # Before the ending: a drawing that starts between our look and our write then finds it.
    world.store.put_json(keys.cancel(job_id), {"asked_at": to_iso(world.now())})
    progress = world.store.progress(job_id)
    if status_of(files, progress, None) is Status.PROCESSING:
        return http.answer(202, show(world, call, job, world.store.files(job_id)))
    if not world.store.end(_canceled(world, job)):
        raise _ended(world.store, job_id)
    return http.answer(200, show(world, call, job, world.store.files(job_id)))


def delete_job(world: Wiring, call: Call, job_id: str) -> Response[str]:
    """DELETE /jobs/{id}: 204 once pictures, inputs and listing are gone; 409 while the job has not ended.

    result.json and deleted.json stay, so that nothing draws or ends this job again. What a crash leaves, a
    repeat removes.
    """
    owner = call.owner(world)
    if tombstone_of(world, owner, job_id) is None:
        job, files = find_job(world, owner, job_id)
        _wait_until_told(world, call, job, files)
        world.store.put_json(
            keys.deleted(job_id),
            {"owner": owner, "kind": job.kind.value, "deleted_at": to_iso(world.now())},
        )
    _remove(world.store, owner, job_id)
    return Response(204)


def _ended(store: Store, job_id: str) -> JobEnded:
    result = store.result(job_id)
    assert result is not None, "a result.json is never removed"
    return JobEnded(result.status.value, to_iso(result.ended_at))


def _canceled(world: Wiring, job: Job) -> Result:
    now = world.now()
    waited_s = round(now - job.created_at, 3)
    metrics = Metrics(queued_s=waited_s, total_s=waited_s, cost_usd=0.0)
    return Result.of_error(job.id, JobCanceled("the job was canceled before it was drawn"), now, metrics)


def _wait_until_told(world: Wiring, call: Call, job: Job, files: JobFiles) -> None:
    """Nothing once the ending was told to everybody. complete takes the active entry away when it is done.

    Raises JobNotEnded.
    """
    if not files.has(keys.result(job.id)):
        raise JobNotEnded(f"job {job.id} has not ended. Cancel it first, or wait")
    until = held_until(world, call)
    while any(world.store.list(keys.active(job.id, job.owner), limit=1)):
        if world.now() >= until:
            raise JobNotEnded(f"the ending of job {job.id} is still being told. Try again in a minute")
        world.sleep(world.settings.poll_s)


def _remove(store: Store, owner: str, job_id: str) -> None:
    """request.json goes last: it says which uploads there are to remove."""
    for entry in store.list(keys.runs(job_id)):
        store.delete(entry.key)
    for key in (keys.reply(job_id), keys.progress(job_id)):
        store.delete(key)
    if job := store.job(job_id):
        fill_uploads(job.payload, lambda upload_id: _remove_upload(store, owner, upload_id))
    for entry in store.list(keys.index(job_id, owner)):
        store.delete(entry.key)
    store.delete(keys.request(job_id))


def _remove_upload(store: Store, owner: str, upload_id: str) -> str:
    store.delete(keys.upload(owner, upload_id))
    return ""
