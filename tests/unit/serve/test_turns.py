from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from serve.turns import Turns


class Refused(Exception):
    """What a check says of a job that is wanted no more."""


async def wanted() -> None:
    """A check that has nothing to say."""


class Line:
    """Turns, and who has had one."""

    def __init__(self, loaded: str | None = None, max_run: int = 8):
        self.loaded = loaded
        self.turns = Turns(lambda: self.loaded, max_run, 0.01)
        self.drawn: list[str] = []
        self.at_once = self.most_at_once = 0

    async def draw(
        self, name: str, check: Callable[[], Awaitable[None]] = wanted, takes_s: float = 0
    ) -> None:
        async with self.turns.turn(name[0], check):
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            await asyncio.sleep(takes_s)
            self.loaded = name[0]
            self.drawn.append(name)
            self.at_once -= 1


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(5):
            await test()

    asyncio.run(main())


def test_one_draws_at_a_time_and_the_loaded_checkpoint_goes_first() -> None:
    async def test() -> None:
        line = Line("B")
        await asyncio.gather(*(line.draw(name) for name in ("A1", "B1", "A2", "B2", "A3")))
        # A1 finds nobody else when it comes; then A is loaded.
        assert line.drawn == ["A1", "A2", "A3", "B1", "B2"] and line.most_at_once == 1

    run(test)


def test_who_is_canceled_while_waiting_leaves_the_line() -> None:
    async def test() -> None:
        line = Line()
        tasks = [asyncio.create_task(line.draw(name, takes_s=0.05)) for name in ("A1", "A2", "A3")]
        await asyncio.sleep(0.01)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert line.drawn == ["A1", "A3"]

    run(test)


def test_who_is_canceled_while_drawing_gives_the_turn_on() -> None:
    async def test() -> None:
        line = Line()
        first = asyncio.create_task(line.draw("A1", takes_s=60))
        second = asyncio.create_task(line.draw("A2"))
        await asyncio.sleep(0.01)
        first.cancel()
        await second
        assert line.drawn == ["A2"]

    run(test)


def test_a_drawing_that_fails_gives_the_turn_on() -> None:
    async def fail(line: Line) -> None:
        async with line.turns.turn("A", wanted):
            raise Refused

    async def test() -> None:
        line = Line()
        with pytest.raises(Refused):
            await fail(line)
        await line.draw("A1")
        assert line.drawn == ["A1"]

    run(test)


def test_the_next_in_line_is_checked_and_the_others_are_not() -> None:
    async def test() -> None:
        line, asked = Line(), []

        def asking(name: str) -> Callable[[], Awaitable[None]]:
            async def check() -> None:
                asked.append(name)

            return check

        first = asyncio.create_task(line.draw("A1", takes_s=0.1))
        others = [asyncio.create_task(line.draw(name, asking(name))) for name in ("B1", "A2", "B2")]
        await asyncio.sleep(0.05)
        assert len(asked) > 1 and set(asked) == {"A2"}
        await asyncio.gather(first, *others)
        assert line.drawn == ["A1", "A2", "B1", "B2"]

    run(test)


def test_who_is_wanted_no_more_leaves_the_line_before_the_turn() -> None:
    async def test() -> None:
        line, is_wanted = Line(), True

        async def check() -> None:
            if not is_wanted:
                raise Refused

        first = asyncio.create_task(line.draw("A1", takes_s=0.1))
        second = asyncio.create_task(line.draw("A2", check))
        third = asyncio.create_task(line.draw("A3"))
        await asyncio.sleep(0.02)
        is_wanted = False
        with pytest.raises(Refused):
            await second
        assert line.drawn == []
        await asyncio.gather(first, third)
        assert line.drawn == ["A1", "A3"]

    run(test)


def test_whose_check_was_cut_short_by_the_turn_is_checked_in_it() -> None:
    async def test() -> None:
        line, checks = Line(), 0

        async def slow_check() -> None:
            nonlocal checks
            await asyncio.sleep(0.03)
            checks += 1
            raise Refused

        first = asyncio.create_task(line.draw("A1", takes_s=0.01))
        await asyncio.sleep(0)
        with pytest.raises(Refused):
            await line.draw("A2", slow_check)
        await first
        assert line.drawn == ["A1"] and checks == 1

    run(test)
