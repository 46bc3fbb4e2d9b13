"""A simulation in a few numbers, and as the lines that one reads."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from webui_async.simulate.result import Result


@dataclass(frozen=True)
class Spread:
    """How a time is spread over the jobs, in seconds. Percentiles by nearest rank."""

    p50_s: float
    p95_s: float
    p99_s: float
    max_s: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread | None:
        """None when there is no job."""
        if not seconds:
            return None
        ordered = sorted(seconds)
        ranks = (math.ceil(len(ordered) * percent / 100) for percent in (50, 95, 99, 100))
        return cls(*(ordered[rank - 1] for rank in ranks))


@dataclass(frozen=True)
class Summary:
    """What one asks of a simulation."""

    jobs: int
    expired: int  #: jobs that were never drawn
    drawings_lost: int  #: begun on an instance that was retired, and done again
    pictures: int
    hours: float  #: from the start of the simulation to its end
    wait: Spread | None  #: from arrival to the start of the drawing
    total: Spread | None  #: from arrival to the end of the drawing
    gpu_hours: float  #: instances, from their launch to their end
    idle_share: float  #: of the GPU hours, those in which nothing was drawn
    most_instances: int  #: at the same time
    launches: int
    usd: float | None  #: None when no price was given
    usd_per_1000_pictures: float | None

    def to_json(self) -> dict[str, object]:
        return dataclasses.asdict(self)


def summarize(result: Result, pictures_per_job: int = 1, usd_per_hour: float | None = None) -> Summary:
    """usd_per_hour: what one instance costs."""
    drawn = result.drawn
    gpu_hours, pictures = result.instance_seconds / 3600, len(drawn) * pictures_per_job
    usd = None if usd_per_hour is None else gpu_hours * usd_per_hour
    return Summary(
        jobs=len(result.jobs),
        expired=len(result.jobs) - len(drawn),
        drawings_lost=sum(job.drawings_lost for job in result.jobs),
        pictures=pictures,
        hours=result.end_s / 3600,
        wait=Spread.of([job.wait_s for job in drawn]),
        total=Spread.of([job.total_s for job in drawn]),
        gpu_hours=gpu_hours,
        idle_share=result.idle_share,
        most_instances=max((count for _, count in result.billed_instances()), default=0),
        launches=len(result.instances),
        usd=usd,
        usd_per_1000_pictures=1000 * usd / pictures if usd is not None and pictures else None,
    )


def lines(summary: Summary) -> list[str]:
    """One line a number, with its unit."""
    rows = [
        ("jobs", f"{summary.jobs} in {summary.hours:.2f} h"),
        ("wait until drawn", _spread(summary.wait)),
        ("until the picture", _spread(summary.total)),
        ("instances", f"{summary.most_instances} at most, {summary.launches} launches"),
        ("GPU hours", f"{summary.gpu_hours:.2f}, of which idle {100 * summary.idle_share:.0f} %"),
    ]
    if summary.usd is not None:
        rows.append(("cost", f"{summary.usd:.2f} USD{_per_1000(summary)}"))
    if summary.expired:
        rows.append(("expired", f"{summary.expired} of the jobs: their time in the queue was over"))
    if summary.drawings_lost:
        rows.append(("drawn again", f"{summary.drawings_lost} times, because the instance was retired"))
    return [f"{name:18} {text}" for name, text in rows]


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "no job was drawn"
    return (
        f"p50 {_time(spread.p50_s)}   p95 {_time(spread.p95_s)}   "
        f"p99 {_time(spread.p99_s)}   max {_time(spread.max_s)}"
    )


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _per_1000(summary: Summary) -> str:
    if summary.usd_per_1000_pictures is None:
        return ""
    return f", {summary.usd_per_1000_pictures:.2f} USD per 1,000 pictures"
