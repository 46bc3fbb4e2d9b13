"""Keeps one engine that draws: starts it, proves it, notices when it is gone, starts it again."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import enum
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from serve import catalog, webui_process
from serve.engine import Engine
from serve.engine_http import ConnectionLost, open_http
from serve.readiness import LOSS_S, prove
from serve.tasks import background
from serve.wear import wear_of
from serve.webui_process import WebuiProcess
from webui_async.contract.errors import BadModelPack, EngineBroken, PipelineError, StoreError
from webui_async.contract.settings import ServeSettings

logger = logging.getLogger(__name__)

#: How long a stopping container waits for the engine to take notice.
INTERRUPT_S = 1.0


class Health(enum.StrEnum):
    """How the engine is. A job has a status; the engine has health."""

    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    BROKEN = "broken"  #: for good: too many starts in a row have failed


@dataclass(frozen=True)
class Running:
    """An engine that has proved that it draws."""

    process: WebuiProcess
    engine: Engine
    catalog: Mapping[str, Any]
    version: int = 0  #: of the model files that the catalog lists


class ModelFiles(Protocol):
    """The model files that an engine is started with, and those that come and go while it runs."""

    @property
    def version(self) -> int:
        """Another one whenever a file has come or gone."""

    def build(self) -> None:
        """All good files are where the engine looks. Raises BadModelPack."""

    async def refresh(self, engine: Engine) -> None:
        """The engine has read its folders again."""


class Supervisor:
    """The one engine of this container."""

    def __init__(
        self,
        settings: ServeSettings,
        environment: Mapping[str, str],
        files: ModelFiles,
        publish: Callable[[Mapping[str, Any]], Awaitable[None]],
    ):
        """publish: is given the catalog each time that an engine has come up or has been refreshed."""
        self._settings, self._environment, self._publish = settings, environment, publish
        self._files = files
        self._running: Running | None = None
        self._reason: PipelineError | None = None
        self._recycling = asyncio.Event()
        self._publishing: set[asyncio.Task[None]] = set()
        self._drawings = 0
        self._has_drawn = False
        self._changed = asyncio.Condition()

    @property
    def health(self) -> Health:
        if self._reason is not None:
            return Health.BROKEN
        if self._running is None or not self._running.process.is_alive or self._recycling.is_set():
            return Health.STARTING
        return Health.BUSY if self._drawings else Health.READY

    @property
    def is_well(self) -> bool:
        """Whether SageMaker shall keep this container: from the first engine that drew until none will again.

        A webui that is started again needs minutes to load its checkpoint. SageMaker would replace the whole
        instance meanwhile, and the job that is to be drawn again would be lost with it.
        """
        return self._has_drawn and self._reason is None

    @property
    def loaded_checkpoint(self) -> str | None:
        """The checkpoint that needs no loading; None when nobody knows."""
        return self._running.engine.loaded if self._running is not None else None

    @contextlib.contextmanager
    def drawing(self) -> Iterator[None]:
        """The engine is busy in this block."""
        self._drawings += 1
        try:
            yield
        finally:
            self._drawings -= 1

    async def ready(self) -> Running:
        """An engine that draws, as soon as there is one.

        Raises EngineBroken or BadModelPack when there will be none.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self.health in (Health.READY, Health.BUSY, Health.BROKEN))
        if self._reason is not None:
            raise type(self._reason)(str(self._reason))
        assert self._running is not None
        return self._running

    async def up_to_date(self) -> Running:
        """An engine that draws and knows every model file. The caller holds the turn: the engine is idle.

        Raises what `ready` raises, EngineRefused and EngineReplyError.
        """
        while True:
            running = await self.ready()
            if running.version == self._files.version:
                return running
            try:
                return await self._refresh(running)
            except ConnectionLost:
                if not await running.process.ends_within(LOSS_S):
                    raise

    def recycle(self, engine: Engine, reason: str) -> None:
        """This engine is ended, and another one started. The caller holds the turn: nothing is drawn."""
        if self._running is not None and self._running.engine is engine:
            logger.warning("the engine is started anew: %s", reason)
            self._recycling.set()

    def recycle_if_worn(self) -> None:
        """Called between two drawings."""
        if (running := self._running) is not None:
            if why := wear_of(running.process, running.engine, self._settings):
                self.recycle(running.engine, why)

    async def interrupt(self) -> None:
        """Whatever is drawn now ends soon, if the engine still listens."""
        if self._running is not None and self._running.process.is_alive:
            with contextlib.suppress(PipelineError, TimeoutError):
                async with asyncio.timeout(INTERRUPT_S):
                    await self._running.engine.interrupt()

    async def keep(self) -> None:
        """Have an engine until canceled, or until it is broken for good."""
        failed_starts, reason = 0, ""
        while failed_starts < self._settings.max_restarts:
            try:
                await self._keep_one()
                failed_starts = 0
            except EngineBroken as error:
                failed_starts += 1
                logger.error("start %d of the engine failed: %s", failed_starts, error)
                reason = str(error)
            except BadModelPack as error:
                logger.error("%s", error)
                return await self._give_up(error)
            except Exception as error:  # an edge: whatever else goes wrong must not end the container
                failed_starts += 1
                logger.exception(
                    "start %d of the engine failed on an error of the container's own", failed_starts
                )
                reason = f"the container failed on {type(error).__name__}; its log has the trace"
        await self._give_up(
            EngineBroken(f"{failed_starts} starts of the engine failed in a row, the last one so: {reason}")
        )

    async def _give_up(self, reason: PipelineError) -> None:
        async with self._changed:
            self._reason = reason
            self._changed.notify_all()

    async def _keep_one(self) -> None:
        """One engine from its start to its end. Raises EngineBroken or BadModelPack when it never came up."""
        version = self._files.version
        try:
            await asyncio.to_thread(self._files.build)
        except OSError as error:
            raise EngineBroken(f"the model folders cannot be made: {error}; is the disk full?") from error
        process = webui_process.start(self._settings, self._environment)
        try:
            async with open_http(self._settings.engine_port) as http:
                engine = Engine(http)
                held = await prove(process, engine, self._settings.startup_timeout_s)
                running = Running(process, engine, held, version)
                await self._publish_safely(running.catalog)
                self._has_drawn = True
                await self._set_running(running)
                logger.info("the engine draws, %.1f s after its start", time.monotonic() - process.started)
                await self._until_end(process)
        finally:
            await self._set_running(None)
            self._recycling.clear()
            await process.stop()

    async def _until_end(self, process: WebuiProcess) -> None:
        """Returns when the engine has ended or is to end."""
        async with background(process.wait()) as ending, background(self._recycling.wait()) as recycling:
            await asyncio.wait({ending, recycling}, return_when=asyncio.FIRST_COMPLETED)
            if not recycling.done():
                logger.error(
                    "the engine %s; its last lines:\n%s",
                    webui_process.describe_exit(ending.result()),
                    process.last_lines,
                )

    async def _refresh(self, running: Running) -> Running:
        version = self._files.version
        await self._files.refresh(running.engine)
        held = await catalog.collect(running.engine)
        refreshed = dataclasses.replace(running, catalog=held, version=version)
        if self._running is running:
            await self._set_running(refreshed)
        # The drawing need not wait until the bucket has it.
        publishing = asyncio.create_task(self._publish_safely(held))
        self._publishing.add(publishing)
        publishing.add_done_callback(self._publishing.discard)
        return refreshed

    async def _publish_safely(self, held: Mapping[str, Any]) -> None:
        try:
            await self._publish(held)
        except StoreError as error:
            logger.error("the catalog was not written: %s", error)

    async def _set_running(self, running: Running | None) -> None:
        async with self._changed:
            self._running = running
            self._changed.notify_all()
