"""The queue and the instances over time, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from webui_async.contract.errors import WriteFailed
from webui_async.simulate.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = Sequence[tuple[float, int]]
_HOUR_S, _MINUTE_S = 3600.0, 60.0
_INK, _GRAY, _BLUE, _ORANGE = "#24292f", "#afb8c1", "#0969da", "#e8954f"


def save_plot(result: Result, path: Path, title: str) -> None:
    """Writes a PNG. Raises WriteFailed; needs matplotlib (the extra `simulate`)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6.4), layout="constrained")
    FigureCanvasAgg(figure)
    draw(result, figure, title)
    try:
        figure.savefig(path, format="png", dpi=120)
    except OSError as error:
        raise WriteFailed(f"{path} cannot be written: {error.strerror}") from error


def draw(result: Result, figure: Figure, title: str) -> None:
    """Three pictures under each other, on one axis of time: jobs, waits, instances."""
    from matplotlib.ticker import MaxNLocator

    unit, unit_s = ("hours", _HOUR_S) if result.end_s > 4 * _HOUR_S else ("minutes", _MINUTE_S)
    jobs, waits, instances = figure.subplots(3, sharex=True, height_ratios=(3, 2, 2))
    figure.suptitle(title, x=0.01, ha="left", color=_INK)
    _draw_jobs(jobs, result, unit_s)
    _draw_waits(waits, result, unit_s)
    _draw_instances(instances, result, unit_s)
    instances.set_xlabel(f"time ({unit})")
    instances.set_xlim(0, result.end_s / unit_s)
    instances.xaxis.set_major_locator(MaxNLocator(nbins=12, steps=[1, 2, 3, 6, 10]))
    instances.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    for axes in (jobs, waits, instances):
        axes.grid(axis="y", color="#d0d7de", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylim(bottom=0)


def _draw_jobs(axes: Axes, result: Result, unit_s: float) -> None:
    times, counts = _steps(result.backlog(), result.end_s, unit_s)
    axes.fill_between(times, counts, step="post", color=_BLUE, alpha=0.2, linewidth=0)
    axes.step(times, counts, where="post", color=_BLUE, linewidth=1)
    axes.set_ylabel("backlog (jobs,\nqueued and in hand)")


def _draw_waits(axes: Axes, result: Result, unit_s: float) -> None:
    drawn = result.drawn
    slow = max((job.wait_s for job in drawn), default=0.0) > 10 * _MINUTE_S
    wait_unit, wait_unit_s = ("minutes", _MINUTE_S) if slow else ("seconds", 1.0)
    times = [job.arrival_s / unit_s for job in drawn]
    waits = [job.wait_s / wait_unit_s for job in drawn]
    axes.plot(times, waits, ".", color=_INK, markersize=4, alpha=0.5, markeredgewidth=0, rasterized=True)
    axes.set_ylabel(f"wait of a job ({wait_unit})\nby its arrival")


def _draw_instances(axes: Axes, result: Result, unit_s: float) -> None:
    # The one in front hides the other, so what is seen of `billed` is what is starting.
    for curve, label, color in (
        (result.billed_instances(), "starting: billed, draws nothing", _GRAY),
        (result.serving_instances(), "in service", _ORANGE),
    ):
        times, counts = _steps(curve, result.end_s, unit_s)
        axes.fill_between(times, counts, step="post", color=color, linewidth=0, label=label)
    axes.set_ylabel("instances")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, borderaxespad=0)


def _steps(curve: Curve, end_s: float, unit_s: float) -> tuple[list[float], list[int]]:
    """x and y of a curve that begins at 0 and goes on to the end."""
    whole = [(0.0, 0), *curve]
    return (
        [at_s / unit_s for at_s, _ in whole] + [end_s / unit_s],
        [count for _, count in whole] + [whole[-1][1]],
    )
