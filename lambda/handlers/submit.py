"""submit: takes a job. POST /jobs answers at once; the stock routes hold the line for the stock answer."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response

from handlers import http
from handlers.accept import enqueue_again, make_job, new_job_id, write_job
from handlers.hold import held_until, stock_answer, wait_for_ending, wait_url
from handlers.http import Call
from handlers.idempotency import find_job_id, read_claim, take
from handlers.lookup import find_job, show
from handlers.orders import Order, check_order, check_room, read_order, read_stock_order
from handlers.views import job_view
from handlers.wiring import Wiring, wiring
from webui_async.contract import keys
from webui_async.contract.errors import UnknownJob
from webui_async.contract.job import Job, JobFiles
from webui_async.contract.payload import Kind


def post_job(world: Wiring, call: Call) -> Response[str]:
    """POST /jobs: 202 and the job."""
    owner = call.owner(world)
    order = read_order(call.document(), world.settings)
    return _accepted(call, _take_job(world, call, owner, order))


def post_stock(world: Wiring, call: Call, kind: Kind) -> Response[str]:
    """POST /sdapi/v1/{kind}: the stock webui's own answer, or the way to it."""
    owner = call.owner(world)
    order = read_stock_order(kind, call.document(), world.settings)
    document = _take_job(world, call, owner, order)
    if _wants_no_wait(call):
        return _accepted(call, document, {"Preference-Applied": "respond-async"})
    result = wait_for_ending(world, document["id"], held_until(world, call))
    if result is None:
        return http.redirect(303, wait_url(call, document["id"]))
    return stock_answer(world, result)


def _take_job(world: Wiring, call: Call, owner: str, order: Order) -> dict[str, Any]:
    """The document of the job that the call made, or made before under the same Idempotency-Key."""
    claim = read_claim(call, owner)
    job_id = find_job_id(world.store, claim) if claim else None
    if job_id and (known := _known_job(world, call, owner, job_id)):
        return known
    check_order(world, owner, order)
    ahead = check_room(world, owner)
    if job_id is None:
        job_id = new_job_id(world)
        job_id = take(world.store, claim, job_id) if claim else job_id
    job = make_job(world, owner, job_id, order)
    write_job(world, job, claim)
    return _fresh(world, call, job, ahead)


def _known_job(world: Wiring, call: Call, owner: str, job_id: str) -> dict[str, Any] | None:
    """The document of a job accepted before; None when that call did not get as far as its request.json."""
    try:
        job, files = find_job(world, owner, job_id)
    except UnknownJob:
        return None
    if not files.last_attempt and not files.has(keys.result(job_id)):
        enqueue_again(world, job)
    return show(world, call, job, files)


def _fresh(world: Wiring, call: Call, job: Job, ahead: int) -> dict[str, Any]:
    """A new job's document, without reading back what was just written."""
    files = JobFiles(job.id, {keys.queued(job.id, 1).removeprefix(keys.job(job.id)): 0}, {})
    return job_view(world, job, files, None, None, call.base_url, queue_ahead=ahead)


def _accepted(
    call: Call, document: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response[str]:
    location = f"{call.base_url}/jobs/{document['id']}"
    return http.answer(202, document, {"Location": location, **(headers or {})})


def _wants_no_wait(call: Call) -> bool:
    """Whether the call prefers not to wait. Source: RFC 7240, section 4.1."""
    preferences = (call.header("Prefer") or "").lower().split(",")
    return any(preference.partition(";")[0].strip() == "respond-async" for preference in preferences)


ROUTES: tuple[http.Route, ...] = (
    ("POST", "/jobs", post_job),
    *(("POST", f"/sdapi/v1/{kind.value}", functools.partial(post_stock, kind=kind)) for kind in Kind),
)


@functools.cache
def _app() -> APIGatewayRestResolver:
    return http.make_app(wiring(), ROUTES)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """The function's entry."""
    return http.resolve(_app(), event, context)
