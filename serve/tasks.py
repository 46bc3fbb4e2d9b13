"""Two ways to wait: a task that never outlives its block, and a task with guards beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeVar

_Value = TypeVar("_Value")


#: Asks whether something is still wanted, and raises when it is not.
Check = Callable[[], Awaitable[None]]


@asynccontextmanager
async def background(work: Coroutine[Any, Any, _Value]) -> AsyncIterator[asyncio.Task[_Value]]:
    """`work` as a task that has ended, canceled if need be, when the block is left."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def keep_checking(check: Check, every_s: float) -> NoReturn:
    """A guard for `first_of`: raises what `check` raises."""
    while True:
        await asyncio.sleep(every_s)
        await check()


async def first_of(main: asyncio.Future[_Value], *guards: Coroutine[Any, Any, NoReturn]) -> _Value:
    """What `main` gives, unless a guard raises before. `main` itself is left running then."""
    watching = [asyncio.create_task(guard) for guard in guards]
    try:
        futures: set[asyncio.Future[Any]] = {main, *watching}
        await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        for guard in watching:
            if guard.done():
                guard.result()
    finally:
        for guard in watching:
            guard.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    return main.result()
