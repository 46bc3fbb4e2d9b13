"""An event loop whose clock jumps to the next timer when nothing is left to do: an hour passes at once."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

_Value = TypeVar("_Value")


def run(main: Coroutine[Any, Any, _Value]) -> _Value:
    """`asyncio.run` on a clock of its own. `main` may wait for timers, not for threads or sockets."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)


class _Loop(asyncio.SelectorEventLoop):
    """asyncio's loop, its time that of its selector."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


class _JumpingSelector(selectors.DefaultSelector):
    """Where a loop waits for its next timer: this one has waited as soon as it is asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("everybody waits, and no timer will wake anyone")
        self.now += timeout
        return []
