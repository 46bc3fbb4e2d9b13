"""Keeps one engine that draws: starts it, proves it, notices when it is gone, starts it again."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from serve import catalog, webui_process
from serve.engine import ConnectionLost, Engine, open_client
from serve.tasks import background, first_of
from serve.webui_process import WebuiProcess
from webui_async.contract.errors import EngineBroken, PipelineError, StoreError
from webui_async.contract.payload import Kind
from webui_async.contract.settings import ServeSettings

logger = logging.getLogger(__name__)

#: The smallest drawing there is: it proves the checkpoint, and spares the first job the slow first drawing.
WARM_UP = {"prompt": "", "steps": 1, "width": 64, "height": 64, "seed": 1}
_POLL_S = 0.1
#: A dying engine breaks its connections a moment before it is gone.
LOSS_S = 2.0
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


class Supervisor:
    """The one engine of this container."""

    def __init__(
        self,
        settings: ServeSettings,
        environment: Mapping[str, str],
        publish: Callable[[Mapping[str, Any]], Awaitable[None]],
    ):
        """publish: is given the catalog each time that an engine has come up."""
        self._settings, self._environment, self._publish = settings, environment, publish
        self._running: Running | None = None
        self._reason: EngineBroken | None = None
        self._drawings = 0
        self._has_drawn = False
        self._changed = asyncio.Condition()

    @property
    def health(self) -> Health:
        if self._reason is not None:
            return Health.BROKEN
        if self._running is None or not self._running.process.is_alive:
            return Health.STARTING
        return Health.BUSY if self._drawings else Health.READY

    @property
    def is_well(self) -> bool:
        """Whether SageMaker shall keep this container: from the first engine that drew until none will again.

        A webui that is started again needs minutes to load its checkpoint. SageMaker would replace the whole
        instance meanwhile, and the job that is to be drawn again would be lost with it.
        """
        return self._has_drawn and self._reason is None

    @contextlib.contextmanager
    def drawing(self) -> Iterator[None]:
        """The engine is busy in this block."""
        self._drawings += 1
        try:
            yield
        finally:
            self._drawings -= 1

    async def ready(self) -> Running:
        """An engine that draws, as soon as there is one. Raises EngineBroken when there will be none."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.health in (Health.READY, Health.BUSY, Health.BROKEN))
        if self._running is None:
            raise EngineBroken(str(self._reason))
        return self._running

    async def interrupt(self) -> None:
        """Whatever is drawn now ends soon, if the engine still listens."""
        if self._running is not None and self._running.process.is_alive:
            with contextlib.suppress(PipelineError, TimeoutError):
                await asyncio.wait_for(self._running.engine.interrupt(), INTERRUPT_S)

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
        async with self._changed:
            self._reason = EngineBroken(
                f"{failed_starts} starts of the engine failed in a row, the last one so: {reason}"
            )
            self._changed.notify_all()

    async def _keep_one(self) -> None:
        """One engine from its start to its end. Raises EngineBroken when it never came up."""
        process = webui_process.start(self._settings, self._environment)
        try:
            async with open_client(self._settings.engine_port) as client:
                running = await self._bring_up(process, Engine(client))
                await self._publish_safely(running.catalog)
                self._has_drawn = True
                await self._set_running(running)
                logger.info("the engine draws, %.1f s after its start", time.monotonic() - process.started)
                code = await process.wait()
                logger.error(
                    "the engine %s; its last lines:\n%s",
                    webui_process.describe_exit(code),
                    process.last_lines,
                )
        finally:
            await self._set_running(None)
            await process.stop()

    async def _bring_up(self, process: WebuiProcess, engine: Engine) -> Running:
        try:
            async with (
                asyncio.timeout(self._settings.startup_timeout_s),
                background(self._prove(engine)) as proving,
            ):
                held = await first_of(proving, _until_exit(process))
        except TimeoutError as error:
            raise EngineBroken(
                f"the engine was not ready within {self._settings.startup_timeout_s:g} s; "
                f"its last lines:\n{process.last_lines}"
            ) from error
        except EngineBroken:
            raise
        except PipelineError as error:
            if isinstance(error, ConnectionLost) and await process.ends_within(LOSS_S):
                raise EngineBroken(_early_exit(process, await process.wait())) from error
            raise EngineBroken(f"the engine is up and does not draw: {error}") from error
        return Running(process, engine, held)

    async def _prove(self, engine: Engine) -> dict[str, Any]:
        """The catalog of an engine that listens, has loaded a checkpoint and has drawn once."""
        while True:
            try:
                await engine.reload_checkpoint(self._settings.startup_timeout_s)
                break
            except ConnectionLost:
                await asyncio.sleep(_POLL_S)
        await engine.draw(Kind.TXT2IMG, WARM_UP)
        return await catalog.collect(engine)

    async def _publish_safely(self, held: Mapping[str, Any]) -> None:
        try:
            await self._publish(held)
        except StoreError as error:
            logger.error("the catalog was not written: %s", error)

    async def _set_running(self, running: Running | None) -> None:
        async with self._changed:
            self._running = running
            self._changed.notify_all()


async def _until_exit(process: WebuiProcess) -> NoReturn:
    raise EngineBroken(_early_exit(process, await process.wait()))


def _early_exit(process: WebuiProcess, code: int) -> str:
    how = webui_process.describe_exit(code)
    return f"the engine {how} while starting; its last lines:\n{process.last_lines}"
