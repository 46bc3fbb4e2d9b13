"""progress.json of one job in hand: how far it is, and that somebody is at it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import math
from collections.abc import AsyncIterator

from serve.container import Container
from serve.drawing import Settled, Watch
from serve.engine import EngineProgress
from serve.scheduler import Hand
from serve.tasks import background
from webui_async.contract import keys
from webui_async.contract.errors import JobCanceled, JobExpired, StoreError
from webui_async.contract.job import Job, JobFiles, Progress, Status
from webui_async.contract.times import to_iso

logger = logging.getLogger(__name__)

#: The first heartbeat of a job comes so long after its acceptance.
_SETTLE_S = 0.05


class JobWatch(Watch):
    """Follows one job of ours: tells the bucket how far it is, and the drawing whether it is still wanted."""

    def __init__(self, hand: Hand, job: Job, container: Container):
        self._hand, self._job, self._container = hand, job, container
        self._news = asyncio.Event()
        self._clock = asyncio.get_running_loop().time
        self._checked_at = -math.inf
        self._progress = Progress(hand.attempt, container.new_run(), container.instance, container.now())

    @property
    def run(self) -> str:
        return self._progress.run

    @property
    def drawing_since(self) -> float | None:
        """When the drawing began, seconds since 1970; None while the job waits its turn."""
        return self._progress.drawing_since

    def started(self) -> None:
        if self._progress.drawing_since is not None:  # the second run: the first one's pictures are nobody's
            self._change(run=self._container.new_run(), fraction=0.0, eta_s=None, step=0)
        self._change(drawing_since=self._container.now())
        self._news.set()

    def advanced(self, progress: EngineProgress) -> None:
        self._change(fraction=min(1.0, progress.fraction), eta_s=progress.eta_s, step=progress.step)

    async def check(self) -> None:
        """While drawing: only a cancel and another's ending count."""
        await self._check_unsettled(await self._files())

    async def check_before_drawing(self) -> None:
        """Raises Settled, JobCanceled or JobExpired when there is nothing to draw."""
        self._checked_at = self._clock()
        files = await self._files()
        if files.last_attempt > self._hand.attempt and not files.has(keys.result(self._job.id)):
            raise Settled(Status.QUEUED.value, files.last_attempt)
        await self._check_unsettled(files)
        self.check_time()

    def check_time(self) -> None:
        """Raises JobExpired when it is too late to begin."""
        if self._container.now() >= self._job.expires_at:
            raise JobExpired(to_iso(self._job.expires_at))

    async def check_in_line(self) -> None:
        """The same for the next in line, who stays there when the bucket cannot be reached.

        An idle engine is free as soon as a job has come in: then what was asked a moment ago holds.
        """
        if self._clock() - self._checked_at < self._container.settings.watch_s:
            return
        try:
            await self.check_before_drawing()
        except StoreError as error:
            logger.warning("nobody could look whether job %s is still wanted: %s", self._job.id, error)

    async def _files(self) -> JobFiles:
        return await asyncio.to_thread(self._container.store.files, self._job.id)

    async def _check_unsettled(self, files: JobFiles) -> None:
        if files.has(keys.result(self._job.id)):
            result = await asyncio.to_thread(self._container.store.result, self._job.id)
            raise Settled(result.status.value if result else Status.QUEUED.value)
        if files.has(keys.cancel(self._job.id)):
            raise JobCanceled("the job was canceled by its owner")

    @contextlib.asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """progress.json is written soon, when a drawing starts, and every heartbeat_s in this block."""
        async with background(self._beat()):
            yield

    async def _beat(self) -> None:
        while True:
            # An idle engine draws at once: acceptance and start are one write then, out of the drawing's way.
            await asyncio.sleep(min(_SETTLE_S, self._container.settings.heartbeat_s))
            self._news.clear()
            self._change(at=self._container.now(), attempt=self._hand.attempt)
            try:
                await asyncio.to_thread(
                    self._container.store.put_json, keys.progress(self._job.id), self._progress.to_json()
                )
            except StoreError as error:
                logger.warning("no heartbeat of job %s: %s", self._job.id, error)
            # Not wait_for: Python 3.11's forgets a cancel that comes just when its future is done.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._container.settings.heartbeat_s):
                    await self._news.wait()

    def _change(self, **fields: object) -> None:
        self._progress = dataclasses.replace(self._progress, **fields)  # type: ignore[arg-type]
