"""SIGTERM: every job in hand is ended or given back, within the seconds that SageMaker leaves."""

from __future__ import annotations

import asyncio
import logging

from serve.container import Container
from serve.scheduler import Hand
from webui_async.contract import keys
from webui_async.contract.errors import StoreError
from webui_async.contract.job import Job
from webui_async.contract.times import to_iso

logger = logging.getLogger(__name__)

#: Shares of shutdown_s: for what is on its way to the bucket, and for that and the releasing together. The
#: rest is for answering and for stopping the engine.
_SHARE_FOR_ENDINGS, _SHARE = 0.4, 0.6


async def release(job: Job, attempt: int, container: Container) -> None:
    """Says in the bucket that this attempt is given back unfinished, so that another one is made at once."""
    document = {"released_at": to_iso(container.now()), "instance": container.instance}
    try:
        await asyncio.to_thread(container.store.put_json, keys.released(job.id, attempt), document)
        logger.info("job %s: attempt %d is released", job.id, attempt)
    except StoreError as error:
        # The invocation's 503 still tells SageMaker, which tells the error topic.
        logger.error("job %s: attempt %d could not be released: %s", job.id, attempt, error)


async def release_all(container: Container) -> None:
    """Nothing is in hand afterwards. A drawing that is already on its way to the bucket is let through."""
    container.scheduler.close()
    try:
        async with asyncio.timeout(container.settings.shutdown_s * _SHARE):
            await asyncio.gather(*(_end_or_release(hand, container) for hand in container.scheduler.hands))
    except TimeoutError:
        logger.error("%d jobs could not be released in time", len(container.scheduler.hands))
        for hand in container.scheduler.hands:
            hand.task.cancel()
    await container.supervisor.interrupt()


async def _end_or_release(hand: Hand, container: Container) -> None:
    if hand.is_ending:
        await asyncio.wait({hand.task}, timeout=container.settings.shutdown_s * _SHARE_FOR_ENDINGS)
    if hand.task.done():
        return
    if hand.job is not None:
        # Before the task is canceled: should it end at this very moment, both its result and this stand,
        # and the result counts.
        await release(hand.job, hand.attempt, container)
    hand.task.cancel()
    await asyncio.wait({hand.task})
