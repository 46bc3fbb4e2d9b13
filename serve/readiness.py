"""The proof that a started engine draws: it listens, has loaded a checkpoint and has drawn once."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, NoReturn

from serve import catalog
from serve.engine import Engine
from serve.engine_http import ConnectionLost
from serve.tasks import background, first_of
from serve.webui_process import WebuiProcess, describe_exit
from webui_async.contract.errors import EngineBroken, PipelineError
from webui_async.contract.payload import Kind

logger = logging.getLogger(__name__)

#: The smallest drawing there is: it proves the checkpoint, and spares the first job the slow first drawing.
WARM_UP = {"prompt": "", "steps": 1, "width": 64, "height": 64, "seed": 1}
#: A dying engine breaks its connections a moment before it is gone.
LOSS_S = 2.0
_POLL_S = 0.1


async def prove(process: WebuiProcess, engine: Engine, timeout_s: float) -> dict[str, Any]:
    """The catalog of an engine that draws. Raises EngineBroken with the reason in one line."""
    try:
        async with asyncio.timeout(timeout_s), background(_draw_once(engine, timeout_s)) as drawing:
            return await first_of(drawing, _until_exit(process))
    except TimeoutError as error:
        _log_tail(process)
        raise EngineBroken(
            f"the engine was not ready within {timeout_s:g} s, saying last: {process.last_line}"
        ) from error
    except EngineBroken:
        raise
    except PipelineError as error:
        if isinstance(error, ConnectionLost) and await process.ends_within(LOSS_S):
            raise _early_exit(process, await process.wait()) from error
        raise EngineBroken(f"the engine is up and does not draw: {error}") from error


async def _draw_once(engine: Engine, timeout_s: float) -> dict[str, Any]:
    while True:
        try:
            await engine.reload_checkpoint(timeout_s)
            break
        except ConnectionLost:
            await asyncio.sleep(_POLL_S)
    await engine.draw(Kind.TXT2IMG, WARM_UP)
    return await catalog.collect(engine)


async def _until_exit(process: WebuiProcess) -> NoReturn:
    raise _early_exit(process, await process.wait())


def _early_exit(process: WebuiProcess, code: int) -> EngineBroken:
    _log_tail(process)
    return EngineBroken(f"the engine {describe_exit(code)} while starting, saying last: {process.last_line}")


def _log_tail(process: WebuiProcess) -> None:
    logger.error("the engine's last lines:\n%s", process.last_lines)
