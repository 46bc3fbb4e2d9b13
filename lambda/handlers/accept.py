"""Writing a job. Every step can be repeated; what a crash leaves between two of them, reap ends or cleans."""

from __future__ import annotations

from handlers.idempotency import Claim
from handlers.logs import logger
from handlers.orders import Order
from handlers.wiring import Wiring
from webui_async.contract import keys
from webui_async.contract.errors import EndpointRefused, PipelineError, StoreError
from webui_async.contract.job import Job
from webui_async.retry import enqueue_first


def new_job_id(world: Wiring) -> str:
    return keys.new_job_id(world.now(), world.random(10))


def make_job(world: Wiring, owner: str, job_id: str, order: Order) -> Job:
    """The job of an order. It expires `ttl_s` from now: its id may be that of a call that died long ago."""
    return Job(
        id=job_id,
        kind=order.payload.kind,
        payload=order.payload.body,
        owner=owner,
        endpoint=world.settings.endpoint,
        created_at=keys.created_ms(job_id) / 1000,
        expires_at=world.now() + order.ttl_s,
        callback_url=order.callback_url,
        output=order.output,
        stock_route=order.stock_route,
        warnings=order.payload.warnings,
    )


def write_job(world: Wiring, job: Job, claim: Claim | None) -> None:
    """The job is written and queued afterwards.

    Raises EndpointRefused when the endpoint will never take it; then nothing of it is left.
    """
    world.store.put_mark(keys.active(job.id, job.owner))
    world.store.put_mark(keys.index(job.id, job.owner))
    world.store.put_json(keys.request(job.id), job.to_json(), if_absent=True)
    try:
        enqueue_first(world.store, world.queue, job)
    except EndpointRefused:
        _undo(world, job, claim)
        raise
    except StoreError as error:
        _leave_to_reap(job, error)


def enqueue_again(world: Wiring, job: Job) -> None:
    """Attempt 1 of a job that was written before is invoked, by us or by whoever was first.

    The call that wrote it may have answered 202, so nothing is undone: reap invokes it, or it expires.
    """
    try:
        enqueue_first(world.store, world.queue, job)
    except (EndpointRefused, StoreError) as error:
        _leave_to_reap(job, error)


def _leave_to_reap(job: Job, error: PipelineError) -> None:
    logger().warning("not invoked yet", reason=str(error), job_id=job.id)


def _undo(world: Wiring, job: Job, claim: Claim | None) -> None:
    """Backwards, so that a crash on the way leaves what a crash on the way there leaves."""
    for key in (
        keys.queued(job.id, 1),
        keys.request(job.id),
        keys.index(job.id, job.owner),
        keys.active(job.id, job.owner),
    ):
        world.store.delete(key)
    if claim is not None:
        world.store.delete(claim.place)
