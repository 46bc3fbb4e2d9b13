"""Writing a job. Every step can be repeated; what a crash leaves between two of them, reap ends or cleans."""

from __future__ import annotations

from handlers.idempotency import Claim
from handlers.logs import logger
from handlers.orders import Order
from handlers.wiring import Wiring
from webui_async.contract import keys
from webui_async.contract.errors import EndpointRefused, StoreError
from webui_async.contract.job import Job
from webui_async.retry import enqueue_first


def new_job_id(wiring: Wiring) -> str:
    return keys.new_job_id(wiring.now(), wiring.random(10))


def make_job(wiring: Wiring, owner: str, job_id: str, order: Order) -> Job:
    """The job of an order. Its times come from its id, so a repeated call makes the same one."""
    created_at = keys.created_ms(job_id) / 1000
    return Job(
        id=job_id,
        kind=order.payload.kind,
        payload=order.payload.body,
        owner=owner,
        endpoint=wiring.settings.endpoint,
        created_at=created_at,
        expires_at=created_at + order.ttl_s,
        callback_url=order.callback_url,
        output=order.output,
        stock_route=order.stock_route,
        warnings=order.payload.warnings,
    )


def write_job(wiring: Wiring, job: Job, claim: Claim | None) -> None:
    """The job is written and queued afterwards.

    Raises EndpointRefused when the endpoint will never take it; then nothing of it is left.
    """
    wiring.store.put_mark(keys.active(job.id, job.owner))
    wiring.store.put_mark(keys.index(job.id, job.owner))
    wiring.store.put_json(keys.request(job.id), job.to_json(), if_absent=True)
    enqueue(wiring, job, claim)


def enqueue(wiring: Wiring, job: Job, claim: Claim | None) -> None:
    """Attempt 1 is invoked, by us or by whoever was first.

    A failure that can pass leaves the job standing: reap invokes the same attempt.
    """
    try:
        enqueue_first(wiring.store, wiring.queue, job)
    except EndpointRefused:
        _undo(wiring, job, claim)
        raise
    except StoreError as error:
        logger().warning("not invoked yet", reason=str(error), job_id=job.id)


def _undo(wiring: Wiring, job: Job, claim: Claim | None) -> None:
    """Backwards, so that a crash on the way leaves what a crash on the way there leaves."""
    for key in (
        keys.queued(job.id, 1),
        keys.request(job.id),
        keys.index(job.id, job.owner),
        keys.active(job.id, job.owner),
    ):
        wiring.store.delete(key)
    if claim is not None:
        wiring.store.delete(claim.place)
