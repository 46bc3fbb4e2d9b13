"""api: everything asked over REST beside taking a job: status, pictures, cancel, lists, models, docs."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response

from handlers import http
from handlers.cancel import cancel_job, delete_job
from handlers.hold import held_until, stock_answer, wait_for_ending, wait_url
from handlers.http import Call
from handlers.listing import list_jobs
from handlers.lookup import find_job, show
from handlers.models import get_models, get_stock_list
from handlers.page import get_docs, get_health, get_openapi, get_page
from handlers.png_info import post_png_info
from handlers.uploads import post_upload
from handlers.wiring import Wiring, wiring
from webui_async.contract.errors import UnknownImage


def get_job(world: Wiring, call: Call, job_id: str) -> Response[str]:
    """GET /jobs/{id}: the job as it stands."""
    job, files = find_job(world, call.owner(world), job_id)
    return http.answer(200, show(world, call, job, files))


def wait_for_job(world: Wiring, call: Call, job_id: str) -> Response[str]:
    """GET /jobs/{id}/wait: holds the line until the job has ended, or sends the caller here again.

    A job of a stock route is answered with the stock answer, any other with its document.
    """
    job, _ = find_job(world, call.owner(world), job_id)
    result = wait_for_ending(world, job_id, held_until(world, call))
    if result is None:
        return http.redirect(303, wait_url(call, job_id))
    if job.stock_route:
        return stock_answer(world, result)
    return http.answer(200, show(world, call, job, world.store.files(job_id)))


def get_image(world: Wiring, call: Call, job_id: str, number: str) -> Response[str]:
    """GET /jobs/{id}/images/{n}: 302 to a fresh link to the picture; n counts from 0."""
    find_job(world, call.owner(world), job_id)
    result = world.store.result(job_id)
    images = result.images if result else ()
    if not (number.isascii() and number.isdigit() and len(number) < 5 and int(number) < len(images)):
        raise UnknownImage(
            f"job {job_id} has no picture {number[:20]!r}; it has {len(images)}, and the first one is 0"
        )
    return http.redirect(302, world.store.presign_get(images[int(number)].key, world.settings.link_ttl_s))


ROUTES: tuple[http.Route, ...] = (
    ("GET", "/jobs", list_jobs),
    ("GET", "/jobs/<job_id>", get_job),
    ("DELETE", "/jobs/<job_id>", delete_job),
    ("GET", "/jobs/<job_id>/wait", wait_for_job),
    ("GET", "/jobs/<job_id>/images/<number>", get_image),
    ("POST", "/jobs/<job_id>/cancel", cancel_job),
    ("POST", "/uploads", post_upload),
    ("GET", "/models", get_models),
    ("GET", "/sdapi/v1/<route>", get_stock_list),
    ("POST", "/sdapi/v1/png-info", post_png_info),
    ("GET", "/health", get_health),
    ("GET", "/openapi.json", get_openapi),
    ("GET", "/docs", get_docs),
    ("GET", "/", get_page),
)


@functools.cache
def _app() -> APIGatewayRestResolver:
    return http.make_app(wiring(), ROUTES)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """The function's entry."""
    return http.resolve(_app(), event, context)
