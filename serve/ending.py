"""How a job ends in the bucket: pictures first, then the stock reply, then result.json, which stands."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future
from types import TracebackType

from serve.answers import Answer
from serve.container import Container
from serve.drawing import Drawn
from serve.effective import differences
from serve.pictures import Picture
from webui_async.contract import keys
from webui_async.contract.errors import PipelineError
from webui_async.contract.images import CONTENT_TYPES
from webui_async.contract.job import Image, Job, Metrics, Result, Status
from webui_async.store import Store

logger = logging.getLogger(__name__)


class Success:
    """A job that succeeded, unless something else turns out before `confirm`. Use it in a `with`.

    Pictures are on their way from its start, side by side. The thread that has put the last of them goes on
    with what is left: by way of the event loop each step would take half a millisecond longer.
    """

    def __init__(self, job: Job, run: str, drawn: Drawn, container: Container):
        self._job, self._run, self._drawn, self._container = job, run, drawn, container
        self._images: dict[int, Image] = {}
        self._lock = threading.Lock()
        self._warnings: Future[list[str]] = Future()  #: done once the job is known to be a success
        self._puts: list[asyncio.Future[Answer | None]] = []

    def __enter__(self) -> Success:
        loop = asyncio.get_running_loop()
        pictures = enumerate(self._drawn.reply.pictures)
        self._puts = [loop.run_in_executor(None, self._put, *numbered) for numbered in pictures]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing more is written if it was not confirmed."""
        self._warnings.cancel()
        for put in self._puts:
            if not put.cancel() and not put.cancelled():
                put.exception()  # nobody asks for it: another error came first

    def confirm(self) -> None:
        """The drawing is whole, and the ending may be written: nothing was public before."""
        self._warnings.set_result(_warnings(self._drawn))

    async def answer(self) -> Answer:
        """The stock webui's own, unless another ending stands. Raises StoreError."""
        answers = await asyncio.gather(*self._puts)
        return next(answer for answer in answers if answer is not None)

    def _put(self, number: int, picture: Picture) -> Answer | None:
        """The answer, when it was the last one."""
        image = _put_picture(self._container.store, self._job.id, self._run, number, picture)
        with self._lock:
            self._images[number] = image
            is_last = len(self._images) == len(self._drawn.reply.pictures)
        return self._end() if is_last else None

    def _end(self) -> Answer:
        warnings = self._warnings.result()
        job, drawn, container = self._job, self._drawn, self._container
        if job.stock_route:
            container.store.put_bytes(keys.reply(job.id), drawn.reply.body, "application/json")
        result = Result(
            job.id,
            Status.SUCCEEDED,
            container.now(),
            run=self._run,
            images=tuple(image for _, image in sorted(self._images.items())),
            info=drawn.reply.info,
            warnings=(*job.warnings, *warnings),
            metrics=_metrics(job, drawn.started_at, drawn.ended_at, container),
        )
        return _leave(result, Answer(200, drawn.reply.body), container)


async def leave_error(
    job: Job, error: PipelineError, drawing_since: float | None, container: Container
) -> Answer:
    """The job failed, expired or was canceled, as `error` says. What was drawn of it was paid for."""
    now = container.now()
    result = Result.of_error(job.id, error, now, _metrics(job, drawing_since, now, container))
    return await asyncio.to_thread(_leave, result, Answer.of_result(result), container)


def _leave(result: Result, answer: Answer, container: Container) -> Answer:
    """`answer` when this ending stands, else how the job ended before. Blocks."""
    if container.store.end(result):
        logger.info("job %s %s", result.job_id, result.status.value)
        return answer
    standing = container.store.result(result.job_id)
    logger.info("job %s had ended before", result.job_id)
    return Answer.of_result(standing or result)


def _warnings(drawn: Drawn) -> list[str]:
    """What is not as it was asked for."""
    reply = drawn.reply
    return [
        *differences(drawn.order.payload, reply.info, reply.pictures, drawn.running.catalog),
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
