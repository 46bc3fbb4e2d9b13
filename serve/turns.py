"""Whose turn it is to draw: one drawing at a time, in an order that spares checkpoint switches."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import NoReturn

from serve.affinity import Waiting, next_of, pass_over
from serve.tasks import Check, first_of


@dataclass(eq=False)
class _Place(Waiting):
    """A place in the queue."""

    granted: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    is_next: asyncio.Event = field(default_factory=asyncio.Event)
    checked_at: float = -math.inf  #: by the loop's clock: when its last check had nothing to say


class Turns:
    """The queue in front of the one engine."""

    def __init__(self, loaded: Callable[[], str | None], max_run: int, check_s: float):
        """loaded: the checkpoint that the engine holds; check_s: how often the next in line is checked."""
        self._loaded, self._max_run, self._check_s = loaded, max_run, check_s
        self._waiting: list[_Place] = []
        self._drawing: _Place | None = None

    @contextlib.asynccontextmanager
    async def turn(self, checkpoint: str | None, check: Check) -> AsyncIterator[None]:
        """The engine is the caller's alone in this block.

        `check` is called while the caller is next in line, so that nothing is left to ask once the engine is
        free; what it raises ends the wait.
        """
        place = _Place(checkpoint)
        self._waiting.append(place)
        self._advance()
        try:
            if not place.granted.done():
                await first_of(place.granted, self._keep_checking(place, check))
            if asyncio.get_running_loop().time() - place.checked_at > 2 * self._check_s:
                await check()  # it has not been next in line for long enough
            yield
        finally:
            self._leave(place)

    async def _keep_checking(self, place: _Place, check: Check) -> NoReturn:
        while True:
            await place.is_next.wait()
            await check()
            place.checked_at = asyncio.get_running_loop().time()
            await asyncio.sleep(self._check_s)

    def _leave(self, place: _Place) -> None:
        if self._drawing is place:
            self._drawing = None
        else:
            self._waiting.remove(place)
        self._advance()

    def _advance(self) -> None:
        """Who is to draw now draws, and who is to draw after that knows."""
        loaded = self._loaded() if self._drawing is None else self._drawing.checkpoint or self._loaded()
        if self._drawing is None and self._waiting:
            place = next_of(self._waiting, loaded, self._max_run)
            pass_over(self._waiting, place)
            self._waiting.remove(place)
            self._drawing = place
            loaded = place.checkpoint or loaded
            place.granted.set_result(None)
        following = next_of(self._waiting, loaded, self._max_run) if self._waiting else None
        for place in self._waiting:
            if place is following:
                place.is_next.set()
            else:
                place.is_next.clear()
