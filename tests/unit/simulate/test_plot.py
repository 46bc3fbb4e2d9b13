"""The picture of a simulation: what its curves show, and that it is a PNG."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from webui_async.contract.errors import WriteFailed
from webui_async.contract.scaling import Scaling, StepScaling, TargetTracking
from webui_async.simulate.endpoint import Endpoint
from webui_async.simulate.plot import draw, save_plot
from webui_async.simulate.result import Result
from webui_async.simulate.run import simulate
from webui_async.simulate.traffic import Arrival


@pytest.fixture(scope="module")
def result() -> Result:
    scaling = Scaling(0, 2, (TargetTracking("backlog", 8),), (StepScaling("from-zero"),))
    return simulate([Arrival(60, 30), Arrival(90, 30)], Endpoint(scaling, cold_start_s=60))


def test_the_picture_shows_backlog_waits_and_instances_in_units_that_it_names(result: Result) -> None:
    figure = Figure()
    draw(result, figure, "two jobs")
    jobs, waits, instances = figure.axes
    # The step alarm of 60 (a job came as the period ended) and 120; in service at 180.
    (curve,) = jobs.lines
    points = [*zip(curve.get_xdata(), curve.get_ydata(), strict=True)]
    assert points == [(0, 0), (1, 1), (1.5, 2), (3.5, 1), (4, 0), (17, 0)]
    (dots,) = waits.lines
    assert [*zip(dots.get_xdata(), dots.get_ydata(), strict=True)] == [(1, 120), (1.5, 120)]
    assert "jobs" in jobs.get_ylabel() and "seconds" in waits.get_ylabel()
    assert instances.get_ylabel() == "instances" and instances.get_xlabel() == "time (minutes)"
    labels = [text.get_text() for text in instances.get_legend().get_texts()]
    assert labels == ["starting: billed, draws nothing", "in service"]


def test_a_day_is_shown_in_hours_and_long_waits_in_minutes() -> None:
    scaling = Scaling(1, 1, (TargetTracking("backlog", 8),))
    long = simulate([Arrival(0, 20_000), Arrival(0, 6)], Endpoint(scaling, cold_start_s=60))
    figure = Figure()
    draw(long, figure, "long")
    assert figure.axes[2].get_xlabel() == "time (hours)" and "minutes" in figure.axes[1].get_ylabel()


def test_the_picture_is_a_png_and_a_simulation_without_jobs_has_one(result: Result, tmp_path: Path) -> None:
    empty = simulate([], Endpoint(Scaling(0, 1), cold_start_s=60))
    for name, simulated in (("two.png", result), ("empty.png", empty)):
        save_plot(simulated, tmp_path / name, "a title")
        with Image.open(tmp_path / name) as picture:
            assert picture.format == "PNG" and picture.width >= 1000


def test_a_picture_that_cannot_be_written_is_one_sentence(result: Result, tmp_path: Path) -> None:
    with pytest.raises(WriteFailed, match="cannot be written: No such file or directory"):
        save_plot(result, tmp_path / "none" / "out.png", "a title")
