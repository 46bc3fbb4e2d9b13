"""When jobs arrive and how long each is drawn: from a trace, or by chance from a rate curve."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from webui_async.contract.errors import TrafficRefused
from webui_async.simulate.tables import read_table

#: A curve may promise so many jobs; more would fill the memory.
MOST_JOBS = 2_000_000
#: Gives the seconds that the next job's drawing takes.
DrawingTimes = Callable[[], float]


@dataclass(frozen=True)
class Arrival:
    """One job as it comes in."""

    at_s: float
    drawing_s: float  #: what its drawing takes, a checkpoint switch before it included


@dataclass(frozen=True)
class RatePoint:
    """One corner of a rate curve."""

    at_s: float
    jobs_per_s: float


def constant(drawing_s: float) -> DrawingTimes:
    """Every drawing takes the same time."""
    return lambda: drawing_s


def chosen_from(measured: Sequence[float], rng: random.Random) -> DrawingTimes:
    """Each drawing takes one of the measured times."""
    return lambda: rng.choice(measured)


def read_drawings(path: Path) -> list[float]:
    """Measured drawing times: a CSV file with the column drawing_s. Raises TrafficRefused."""
    return [row["drawing_s"] for row in read_table(path, ["drawing_s"])]


def read_trace(path: Path, drawing_times: DrawingTimes | None = None) -> list[Arrival]:
    """The arrivals of a CSV file `arrival_s[,drawing_s]`, in order of time.

    drawing_times: come before the file's own; None when there are none.
    Raises TrafficRefused.
    """
    rows = read_table(path, ["arrival_s", "drawing_s"], optional=["drawing_s"])
    if drawing_times is None and "drawing_s" not in rows[0]:
        raise TrafficRefused(
            f"{path} has no column drawing_s: add it, or give --drawing seconds or --drawings FILE"
        )
    rows.sort(key=lambda row: row["arrival_s"])
    return [Arrival(row["arrival_s"], drawing_times() if drawing_times else row["drawing_s"]) for row in rows]


def read_rates(path: Path) -> list[RatePoint]:
    """The corners of a rate curve: a CSV file `at_s,jobs_per_s`. Raises TrafficRefused."""
    curve = [RatePoint(row["at_s"], row["jobs_per_s"]) for row in read_table(path, ["at_s", "jobs_per_s"])]
    if len(curve) < 2:
        raise TrafficRefused(f"{path} holds one line; a rate curve needs two or more, its start and its end")
    for before, after in itertools.pairwise(curve):
        if after.at_s < before.at_s:
            raise TrafficRefused(
                f"{path}: at_s goes from {before.at_s:g} back to {after.at_s:g}; it must grow"
            )
    expected = sum(_expected(before, after) for before, after in itertools.pairwise(curve))
    if expected > MOST_JOBS:
        raise TrafficRefused(f"{path} makes about {expected:.0f} jobs; {MOST_JOBS} are the most")
    return curve


def draw_arrivals(
    curve: Sequence[RatePoint], drawing_times: DrawingTimes, rng: random.Random
) -> list[Arrival]:
    """Arrivals by chance: a Poisson process whose rate follows the curve, straight between its corners."""
    pieces = itertools.pairwise(curve)
    times = itertools.chain.from_iterable(_times(before, after, rng) for before, after in pieces)
    return [Arrival(at_s, drawing_times()) for at_s in times]


def _expected(before: RatePoint, after: RatePoint) -> float:
    """How many jobs come between two corners, on average."""
    return (after.at_s - before.at_s) * (before.jobs_per_s + after.jobs_per_s) / 2


def _times(before: RatePoint, after: RatePoint, rng: random.Random) -> Iterator[float]:
    """Thinning: arrivals at the piece's highest rate, each kept with the share that the rate has of it."""
    length_s = after.at_s - before.at_s
    highest = max(before.jobs_per_s, after.jobs_per_s)
    since_s = rng.expovariate(highest) if highest else length_s
    while since_s < length_s:
        rate = before.jobs_per_s + since_s / length_s * (after.jobs_per_s - before.jobs_per_s)
        if rng.random() * highest < rate:
            yield before.at_s + since_s
        since_s += rng.expovariate(highest)
