"""The numbers of a simulation, worked out by hand."""

from __future__ import annotations

import json

import pytest

from webui_async.simulate.result import Life, Outcome, Result
from webui_async.simulate.summary import Spread, lines, summarize


def result(jobs: list[Outcome], *lives: Life) -> Result:
    return Result(jobs, lives, end_s=7200)


def drawn(wait_s: float, drawing_s: float = 6) -> Outcome:
    return Outcome(100, drawing_s, 100 + wait_s, 100 + wait_s + drawing_s)


def test_percentiles_are_by_nearest_rank() -> None:
    spread = Spread.of([float(number) for number in range(200, 0, -1)])
    assert spread == Spread(100, 190, 198, 200)
    assert Spread.of([3]) == Spread(3, 3, 3, 3)


def test_hours_idle_share_and_cost_are_those_of_the_instances() -> None:
    lives = (Life(0, 300, 3600, 900), Life(1800, None, 5400, 0))
    summary = summarize(
        result([drawn(10), drawn(20), drawn(30, 9)], *lives), pictures_per_job=4, usd_per_hour=1.5
    )
    assert (summary.jobs, summary.expired, summary.pictures, summary.hours) == (3, 0, 12, 2)
    assert summary.wait == Spread(20, 30, 30, 30)
    assert summary.total == Spread(26, 39, 39, 39)
    assert (summary.gpu_hours, summary.idle_share) == (2, 0.875)
    assert (summary.most_instances, summary.launches) == (2, 2)
    assert (summary.usd, summary.usd_per_1000_pictures) == (3, 250)
    assert lines(summary) == [
        "jobs               3 in 2.00 h",
        "wait until drawn   p50 20.0 s   p95 30.0 s   p99 30.0 s   max 30.0 s",
        "until the picture  p50 26.0 s   p95 39.0 s   p99 39.0 s   max 39.0 s",
        "instances          2 at most, 2 launches",
        "GPU hours          2.00, of which idle 88 %",
        "cost               3.00 USD, 250.00 USD per 1,000 pictures",
    ]


def test_jobs_that_expired_or_were_drawn_again_are_told_and_count_in_no_wait() -> None:
    lost = drawn(200)
    lost.drawings_lost = 1
    summary = summarize(result([lost, Outcome(0, 6, None, 600)], Life(0, 0, 60, 12)))
    assert summary.expired == 1 and summary.drawings_lost == 1
    assert summary.wait == Spread(200, 200, 200, 200)
    text = "\n".join(lines(summary))
    assert (
        "p50 3.3 min" in text
        and "expired            1 of the jobs" in text
        and "drawn again        1 times" in text
    )


def test_without_a_price_nothing_is_said_of_cost() -> None:
    summary = summarize(result([drawn(1)], Life(0, 0, 60, 6)))
    assert summary.usd is None and summary.usd_per_1000_pictures is None
    assert not any(line.startswith("cost") for line in lines(summary))


def test_a_simulation_in_which_nothing_was_drawn_has_no_waits_and_no_price_of_a_picture() -> None:
    summary = summarize(result([], Life(0, 0, 3600, 0)), usd_per_hour=2)
    assert summary.wait is None and summary.usd == 2 and summary.usd_per_1000_pictures is None
    assert "wait until drawn   no job was drawn" in lines(summary)
    assert lines(summary)[-1] == "cost               2.00 USD"


def test_the_json_holds_every_number() -> None:
    summary = summarize(result([drawn(1)], Life(0, 0, 60, 6)), usd_per_hour=1)
    read = json.loads(json.dumps(summary.to_json()))
    assert read["wait"] == {"p50_s": 1, "p95_s": 1, "p99_s": 1, "max_s": 1}
    assert read["idle_share"] == pytest.approx(0.9) and read["gpu_hours"] == pytest.approx(1 / 60)
