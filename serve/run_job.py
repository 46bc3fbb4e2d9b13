"""The main road: one job of ours, from its invocation to its result.json."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack

from serve import ending
from serve.answers import Answer
from serve.container import Container
from serve.drawing import Settled, draw, look_after, require_whole
from serve.heartbeat import JobWatch
from serve.preflight import fill, ordered, read_format
from serve.scheduler import Hand
from serve.tasks import background
from webui_async.contract.errors import EngineBroken, PipelineError, StoreError
from webui_async.contract.job import Job
from webui_async.contract.payload import Payload

logger = logging.getLogger(__name__)


async def run_job(hand: Hand, job: Job, container: Container) -> Answer:
    """Draw one job and leave its ending. A job that fails has an ending too, never a raise.

    Raises EngineBroken and StoreError only: then the container failed and not the job, SageMaker reports the
    5xx, and another attempt is made.
    """
    while True:
        try:
            return await _run(hand, job, container)
        except Settled as settled:
            # The later attempt may have joined this very run just now; then there is nobody else to draw it.
            if settled.attempt == 0 or settled.attempt > hand.attempt:
                return Answer.of_job(job.id, settled.status)


async def _run(hand: Hand, job: Job, container: Container) -> Answer:
    watch = JobWatch(hand, job, container)
    try:
        async with background(asyncio.to_thread(fill, job, container.store, container.limits)) as filling:
            await watch.check_before_drawing()
            async with watch.beating():
                return await _draw(hand, job, filling, watch, container)
    except (Settled, EngineBroken, StoreError):
        raise
    except PipelineError as error:
        return await ending.leave_error(job, error, watch.drawing_since, container)
    except Exception as error:
        logger.exception("job %s failed on an error of the container's own", job.id)
        unforeseen = PipelineError(f"the container failed on {type(error).__name__}; its log has the trace")
        return await ending.leave_error(job, unforeseen, watch.drawing_since, container)


async def _draw(
    hand: Hand, job: Job, filling: asyncio.Task[Payload], watch: JobWatch, container: Container
) -> Answer:
    """What can be done before the engine is free is done while others draw: uploads, fetches, checks.

    What can be done beside the last question to the engine is done beside it: pictures are uploaded.
    """
    async with AsyncExitStack() as stack:
        async with (
            ordered(await filling, read_format(job.output), watch.check_in_line, container) as order,
            container.turns.turn(order.checkpoint, watch.check_in_line),
        ):
            watch.check_time()
            drawn = await draw(order, watch, container)
            hand.is_ending = True
            success = stack.enter_context(ending.Success(job, watch.run, drawn, container))
            await require_whole(drawn)
            success.confirm()
            look_after(drawn, container)
        return await success.answer()
