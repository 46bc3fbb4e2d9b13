"""How a job ends in the bucket: pictures first, then the stock reply, then result.json, which stands."""

from __future__ import annotations

import asyncio
import logging

from serve.answers import Answer
from serve.container import Container
from serve.drawing import Drawn
from serve.effective import differences
from serve.pictures import Picture
from serve.tasks import background
from webui_async.contract import keys
from webui_async.contract.errors import PipelineError
from webui_async.contract.images import CONTENT_TYPES
from webui_async.contract.job import Image, Job, Metrics, Result, Status
from webui_async.store import Store

logger = logging.getLogger(__name__)


async def leave_pictures(job: Job, run: str, drawn: Drawn, container: Container) -> Answer:
    """The job succeeded. The answer is the stock webui's own, unless another ending stands."""
    async with background(asyncio.to_thread(_warnings, drawn)) as comparing:
        images = await asyncio.gather(
            *(
                asyncio.to_thread(_put_picture, container.store, job.id, run, number, picture)
                for number, picture in enumerate(drawn.reply.pictures)
            )
        )
        warnings = await comparing
    if job.stock_route:
        await asyncio.to_thread(
            container.store.put_bytes, keys.reply(job.id), drawn.reply.body, "application/json"
        )
    result = Result(
        job.id,
        Status.SUCCEEDED,
        container.now(),
        run=run,
        images=tuple(images),
        info=drawn.reply.info,
        warnings=(*job.warnings, *warnings),
        metrics=_metrics(job, drawn.started_at, drawn.ended_at, container),
    )
    return await _leave(result, Answer(200, drawn.reply.body), container)


async def leave_error(
    job: Job, error: PipelineError, drawing_since: float | None, container: Container
) -> Answer:
    """The job failed, expired or was canceled, as `error` says. What was drawn of it was paid for."""
    now = container.now()
    result = Result.of_error(job.id, error, now, _metrics(job, drawing_since, now, container))
    return await _leave(result, Answer.of_result(result), container)


async def _leave(result: Result, answer: Answer, container: Container) -> Answer:
    """`answer` when this ending stands, else how the job ended before."""
    if await asyncio.to_thread(container.store.end, result):
        logger.info("job %s %s", result.job_id, result.status.value)
        return answer
    standing = await asyncio.to_thread(container.store.result, result.job_id)
    logger.info("job %s had ended before", result.job_id)
    return Answer.of_result(standing or result)


def _warnings(drawn: Drawn) -> list[str]:
    """What is not as it was asked for."""
    reply = drawn.reply
    return [
        *differences(drawn.order.payload, reply.info, reply.pictures, drawn.catalog),
        *_formats(drawn, reply.pictures),
    ]


def _put_picture(store: Store, job_id: str, run: str, number: int, picture: Picture) -> Image:
    key = keys.picture(job_id, run, number, picture.image_format)
    store.put_bytes(key, picture.data, CONTENT_TYPES[picture.image_format])
    return Image(key, picture.seed, picture.width, picture.height)


def _formats(drawn: Drawn, pictures: list[Picture]) -> list[str]:
    asked = drawn.order.image_format
    others = {picture.image_format for picture in pictures} - {asked}
    return [f"output.format asked for {asked}, and the engine made {other}" for other in sorted(others)]


def _metrics(job: Job, started_at: float | None, ended_at: float, container: Container) -> Metrics:
    """started_at: when its drawing began; None when it never did."""
    total_s = round(container.now() - job.created_at, 3)
    if started_at is None:
        return Metrics(total_s=total_s)
    usd_per_hour = container.settings.instance_usd_per_hour
    drawing_s = ended_at - started_at
    return Metrics(
        queued_s=round(started_at - job.created_at, 3),
        drawing_s=round(drawing_s, 3),
        total_s=total_s,
        cost_usd=round(drawing_s * usd_per_hour / 3600, 6) if usd_per_hour else None,
    )
