"""Holding the line: waiting for a job's ending while API Gateway keeps the call open."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from handlers import http
from handlers.logs import logger
from handlers.wiring import Wiring
from webui_async.contract import keys
from webui_async.contract.errors import JobDeleted, StoreError, error_of
from webui_async.contract.job import Result, Status

#: A Lambda answers with 6 MB at most, quoting included.
MAX_ANSWER_BYTES = 5_000_000


def held_until(world: Wiring, call: http.Call) -> float:
    """The moment by which a held call is answered."""
    return call.came_in_at(world.now()) + world.settings.hold_s


def wait_for_ending(world: Wiring, job_id: str, until: float) -> Result | None:
    """The job's ending; None when it has none by then. A look that fails is followed by another."""
    while True:
        try:
            result = world.store.result(job_id)
        except StoreError as error:
            logger().warning("could not look for the ending", reason=str(error), job_id=job_id)
            result = None
        left = until - world.now()
        if result is not None or left <= 0:
            return result
        world.sleep(min(world.settings.poll_s, left))


def stock_answer(world: Wiring, result: Result) -> Response[str]:
    """What the stock webui would have answered: its own JSON, or why there is none."""
    if result.status is not Status.SUCCEEDED:
        error = result.error or {}
        document = error_of(error.get("code")).problem_of(str(error.get("message")), result.job_id)
        return http.problem_answer(document)
    key = keys.reply(result.job_id)
    size = next((entry.size for entry in world.store.list(key, limit=1)), None)
    if size is not None and size > MAX_ANSWER_BYTES:
        return http.redirect(303, world.store.presign_get(key, world.settings.link_ttl_s))
    reply = world.store.get_bytes(key)
    if reply is None:
        raise JobDeleted("the job's pictures and reply were deleted")
    return http.answer(200, reply.decode())


def wait_url(call: http.Call, job_id: str) -> str:
    """Where a line that was let go is taken up again."""
    return f"{call.base_url}/jobs/{job_id}/wait"
