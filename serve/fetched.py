"""The fetched files on the disk: within a budget, fetched once for all who wait, gone when least used."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from serve.tasks import Check, background, first_of, keep_checking
from webui_async.contract.errors import ModelTooLarge
from webui_async.model_files.on_demand import ModelObject

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Slot:
    """The room of one file, from the moment that it is asked for."""

    model: ModelObject
    pins: int = 0  #: jobs that need the file; it stays while there are any
    used_at: int = 0
    stop: threading.Event = field(default_factory=threading.Event)  #: the file is not wanted any more
    task: asyncio.Task[None] = field(init=False)  #: the fetch, at last the removal

    @property
    def is_idle(self) -> bool:
        """Whether the file is there and nobody needs it."""
        return self.pins == 0 and self.task.done()


class FetchedFiles:
    """Slots by key. All of its methods belong to one event loop."""

    def __init__(
        self,
        budget_bytes: int,
        free_bytes: Callable[[], int],
        fetch: Callable[[Slot], Awaitable[None]],
        discard: Callable[[Slot], Awaitable[None]],
    ):
        """free_bytes: what the disk has left; fetch: brings a file; discard: removes one, never raises."""
        self._budget, self._free_bytes = budget_bytes, free_bytes
        self._fetch, self._discard = fetch, discard
        self._slots: dict[str, Slot] = {}
        self._clock = itertools.count(1)
        self._line = asyncio.Lock()
        self._changed = asyncio.Event()

    @property
    def models(self) -> list[ModelObject]:
        return [slot.model for slot in self._slots.values()]

    @contextlib.asynccontextmanager
    async def pinned(
        self, models: Sequence[ModelObject], check: Check, check_s: float
    ) -> AsyncIterator[None]:
        """Every one of the files is there in this block. `check` may end the wait for them.

        Waits for room as long as others need what is there. All of a job's files get their room at once, so
        that no two jobs wait for each other; first come is first served, so that a large file gets its turn.
        Raises ModelTooLarge, and what the fetch raises: the same to all who wait for the same file.
        """
        slots: list[Slot] = []
        try:
            async with background(self._bring_all(models, slots)) as bringing:
                await first_of(bringing, keep_checking(check, check_s))
            yield
        finally:
            for slot in slots:
                self._unpin(slot)

    async def _bring_all(self, models: Sequence[ModelObject], slots: list[Slot]) -> None:
        async with self._line:
            await self._pin_all(models, slots)
        await _all_fetched(slots)

    async def _pin_all(self, models: Sequence[ModelObject], slots: list[Slot]) -> None:
        """Appends the slot of every model, pinned."""
        wanted = sum(model.size_bytes for model in models)
        if wanted > self._budget:
            names = ", ".join(model.key for model in models)
            raise ModelTooLarge(
                f"{names} need {wanted:,} bytes; this container keeps {self._budget:,} at a time. "
                "Raise WEBUI_ASYNC_FETCH_BUDGET_BYTES, or put them into the model pack"
            )
        absent = []
        for model in models:
            slot = await self._present(model)
            if slot is None:
                absent.append(model)
            else:
                slots.append(self._pin(slot))
        if absent:
            await self._make_room(sum(model.size_bytes for model in absent))
        slots.extend(self._pin(self._start(model)) for model in absent)

    async def _present(self, model: ModelObject) -> Slot | None:
        """The slot that has or gets this very file."""
        slot = self._slots.get(model.key)
        if slot is not None and slot.stop.is_set():
            await asyncio.wait({slot.task})
            slot = self._slots.get(model.key)
        if slot is not None and slot.is_idle and int(model.modified) > int(slot.model.modified):
            await self._evict(slot, "another file has taken its place in the bucket")
            return None
        return slot

    def _start(self, model: ModelObject) -> Slot:
        slot = self._slots[model.key] = Slot(model)
        slot.task = asyncio.create_task(self._fill(slot))
        slot.task.add_done_callback(_retrieve)
        return slot

    async def _fill(self, slot: Slot) -> None:
        try:
            await self._fetch(slot)
            slot.stop.clear()  # it was whole before anybody noticed that it was not wanted
        except BaseException:
            del self._slots[slot.model.key]
            raise
        finally:
            self._changed.set()

    async def _make_room(self, size_bytes: int) -> None:
        while True:
            taken = sum(slot.model.size_bytes for slot in self._slots.values())
            is_over = taken + size_bytes > self._budget
            if not is_over and self._free_bytes() >= size_bytes:
                return
            idle = [slot for slot in self._slots.values() if slot.is_idle]
            if idle:
                await self._evict(min(idle, key=lambda slot: slot.used_at), "its room is needed")
            elif is_over:
                self._changed.clear()
                await self._changed.wait()
            else:
                return  # the disk is smaller than the budget: the fetch will say so

    async def _evict(self, slot: Slot, why: str) -> None:
        logger.info("%s is removed from the disk: %s", slot.model.key, why)
        slot.stop.set()
        slot.task = asyncio.create_task(self._remove(slot))
        await asyncio.shield(slot.task)

    async def _remove(self, slot: Slot) -> None:
        try:
            await self._discard(slot)
        finally:
            del self._slots[slot.model.key]

    def _pin(self, slot: Slot) -> Slot:
        slot.pins += 1
        return slot

    def _unpin(self, slot: Slot) -> None:
        slot.pins -= 1
        slot.used_at = next(self._clock)
        if slot.pins == 0 and not slot.task.done():
            slot.stop.set()
        self._changed.set()


async def _all_fetched(slots: Sequence[Slot]) -> None:
    """Returns when all are; raises the first error. Whoever else waits for a file keeps its fetch going."""
    waits = [asyncio.ensure_future(asyncio.shield(slot.task)) for slot in slots]
    try:
        await asyncio.gather(*waits)
    finally:
        for wait in waits:
            wait.cancel()


def _retrieve(task: asyncio.Task[None]) -> None:
    """An error of a fetch that nobody waits for any more is nobody's."""
    if not task.cancelled():
        task.exception()
