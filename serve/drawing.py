"""One drawing on the engine, watched: it may die, hang, or be wanted no more."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import NoReturn

from serve.container import Container
from serve.effective import is_other_checkpoint, pictures_asked
from serve.engine import Engine, EngineProgress, Reply
from serve.engine_http import ConnectionLost, HttpAnswer
from serve.readiness import LOSS_S, WARM_UP
from serve.supervisor import Running
from serve.tasks import background, first_of
from serve.webui_process import WebuiProcess, describe_exit
from webui_async.contract.catalog import check_names
from webui_async.contract.errors import (
    EngineDied,
    EngineHung,
    EnginePoisoned,
    EngineRefused,
    EngineReplyError,
    JobCanceled,
    PipelineError,
    StoreError,
)
from webui_async.contract.payload import Kind, Payload
from webui_async.contract.settings import ServeSettings

logger = logging.getLogger(__name__)

#: An interrupt works within a step; only a checkpoint that is being loaded takes longer.
INTERRUPT_PATIENCE_S = 60.0
_INTERRUPT_AGAIN_S = 0.5


class Settled(Exception):
    """The job is not ours to end any more: `status` says how it stands."""

    def __init__(self, status: str, attempt: int = 0):
        """attempt: the later attempt that has taken over; 0 when the job has ended."""
        super().__init__(f"settled: {status}")
        self.status, self.attempt = status, attempt


class Watch:
    """Who follows a drawing. This one does not: a direct invocation cannot be canceled or asked about."""

    def started(self) -> None:
        """A run begins; it may be the second one."""

    def advanced(self, progress: EngineProgress) -> None:
        """News from the engine, every progress_s."""

    async def check(self) -> None:
        """Raises JobCanceled or Settled when the drawing is not wanted any more. Called every watch_s."""


@dataclass(frozen=True)
class Order:
    """What is to be drawn."""

    payload: Payload
    image_format: str
    checkpoint: str | None  #: the one it needs, as an info tells of it; None when any will do


@dataclass(frozen=True)
class Drawn:
    """A reply, and when it was made. `require_whole` tells whether it is one of a whole drawing."""

    order: Order
    reply: Reply
    running: Running  #: the engine that made it
    started_at: float  #: seconds since 1970
    ended_at: float


async def draw(order: Order, watch: Watch, container: Container) -> Drawn:
    """The reply. An engine that dies, hangs or is poisoned is started again, and asked once more.

    The caller holds the turn, and calls `require_whole` and `look_after` before it is over.
    Raises EngineDied, EngineHung, EnginePoisoned, EngineRefused, EngineReplyError, EngineBroken, UnknownName,
    and what `watch.check` raises.
    """
    try:
        return await _draw_once(order, watch, container)
    except (EngineDied, EngineHung, EnginePoisoned) as error:
        logger.warning("drawing again: %s", error)
    await watch.check()
    return await _draw_once(order, watch, container)


async def _draw_once(order: Order, watch: Watch, container: Container) -> Drawn:
    running = await container.supervisor.up_to_date()
    check_names(order.payload.names, running.catalog, order.payload.kind.value)
    started_at = container.now()
    watch.started()
    with container.supervisor.drawing():
        async with background(_ask(running.engine, order)) as drawing:
            try:
                answer = await first_of(
                    drawing,
                    _until_unwanted(watch, container.settings),
                    _until_exit(running.process),
                    _until_hung(running.engine, watch, container.settings),
                )
                reply = running.engine.read(order.payload.kind, order.payload.body, answer)
            except (JobCanceled, Settled):
                await _interrupt(running, drawing)
                raise
            except EngineHung:
                await running.process.kill()
                raise
            except ConnectionLost as error:
                if await running.process.ends_within(LOSS_S):
                    raise _death(running.process, await running.process.wait()) from error
                raise
            except EngineRefused as error:
                if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    await _distrust(running.engine, order, container)
                raise
    return Drawn(order, reply, running, started_at, container.now())


async def require_whole(drawn: Drawn) -> None:
    """Raises EngineReplyError when the drawing was interrupted, by whomever: its answer does not tell.

    The caller still holds the turn: an engine tells that of its last drawing only.
    """
    payload = drawn.order.payload
    if payload.kind.is_extras:
        return
    made, asked = len(drawn.reply.pictures), pictures_asked(payload.body)
    if made < asked or await _was_interrupted(drawn.running.engine):
        raise EngineReplyError(
            f"the drawing was interrupted on the engine: it made {made} of {asked} pictures"
        )


def look_after(drawn: Drawn, container: Container) -> None:
    """The engine is started anew if it drew with a checkpoint of its own choice, or is worn.

    The caller holds the turn.
    """
    engine = drawn.running.engine
    if is_other_checkpoint(drawn.order.payload, drawn.reply.info, drawn.running.catalog):
        container.supervisor.recycle(engine, f"it drew with {engine.loaded!r}, which nobody had asked for")
    container.supervisor.recycle_if_worn()


async def _ask(engine: Engine, order: Order) -> HttpAnswer:
    await engine.use_format(order.image_format)
    return await engine.post(order.payload.kind, order.payload.body)


async def _distrust(engine: Engine, order: Order, container: Container) -> None:
    """An engine that failed is proved again, or started anew.

    A webui that could not read a checkpoint goes on with the old one half taken apart: prompts it knows come
    out as ever, new ones fail or, on a GPU, come out differently. Raises EnginePoisoned when it fails a
    drawing that cannot be at fault: then this one may not have been at fault either.
    """
    if order.checkpoint not in (None, engine.loaded):
        container.supervisor.recycle(engine, f"it could not draw with the checkpoint {order.checkpoint!r}")
        return
    patience_s = container.settings.stall_timeout_s
    try:
        async with asyncio.timeout(patience_s):
            await engine.draw(Kind.TXT2IMG, WARM_UP | {"prompt": container.new_run()})
    except (PipelineError, TimeoutError) as error:
        container.supervisor.recycle(engine, "it fails whatever it is given")
        reason = str(error) or f"no answer within {patience_s:g} s"
        raise EnginePoisoned(f"the engine fails whatever it is given, now with: {reason}") from error


async def _until_unwanted(watch: Watch, settings: ServeSettings) -> NoReturn:
    while True:
        await asyncio.sleep(settings.watch_s)
        try:
            await watch.check()
        except StoreError as error:
            logger.warning("nobody could look whether the drawing is still wanted: %s", error)


async def _until_exit(process: WebuiProcess) -> NoReturn:
    raise _death(process, await process.wait())


async def _until_hung(engine: Engine, watch: Watch, settings: ServeSettings) -> NoReturn:
    """Passes the engine's progress on until it has not moved, or the drawing has lasted, for too long."""
    clock = asyncio.get_running_loop().time
    began = moved = clock()
    last: EngineProgress | None = None
    while clock() - began < settings.drawing_timeout_s and clock() - moved < settings.stall_timeout_s:
        await asyncio.sleep(settings.progress_s)
        try:
            progress = await engine.progress()
        except (EngineReplyError, EngineRefused):
            continue  # a webui that loads a checkpoint may be silent for a while
        watch.advanced(progress)
        if last is None or progress.place != last.place:
            last, moved = progress, clock()
    raise EngineHung(
        f"the engine drew for {clock() - began:.0f} s, the last {clock() - moved:.0f} s without progress; "
        f"it may take {settings.drawing_timeout_s:g} s, and {settings.stall_timeout_s:g} s without progress"
    )


def _death(process: WebuiProcess, code: int) -> EngineDied:
    lived_s = time.monotonic() - process.started
    return EngineDied(
        f"the engine {describe_exit(code)}, {lived_s:.0f} s after its start and while it drew; "
        "its last lines are in the container's log"
    )


async def _interrupt(running: Running, drawing: asyncio.Task[HttpAnswer]) -> None:
    """The engine is idle afterwards, by force if need be. What it drew is half a picture: nobody reads it."""
    clock = asyncio.get_running_loop().time
    ends = clock() + INTERRUPT_PATIENCE_S
    while not drawing.done() and clock() < ends:
        # Again and again: the webui forgets an interrupt that comes before its drawing begins.
        with contextlib.suppress(PipelineError):
            await running.engine.interrupt()
        await asyncio.wait({drawing}, timeout=_INTERRUPT_AGAIN_S)
    if not drawing.done():
        await running.process.kill()


async def _was_interrupted(engine: Engine) -> bool:
    """Whether the last drawing was, as far as an engine can tell that may have ended after its answer."""
    try:
        return (await engine.progress()).is_interrupted
    except (EngineReplyError, EngineRefused):
        return False
