"""Arrivals and drawing times: what is read from files, what is drawn by chance, what is refused."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from webui_async.contract.errors import TrafficRefused
from webui_async.simulate.traffic import (
    Arrival,
    RatePoint,
    chosen_from,
    constant,
    draw_arrivals,
    read_drawings,
    read_rates,
    read_trace,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "given.csv"


def refusal(read: object, *arguments: object) -> str:
    assert callable(read)
    with pytest.raises(TrafficRefused) as caught:
        read(*arguments)
    return str(caught.value)


def test_a_trace_is_read_in_order_of_time(file: Path) -> None:
    file.write_text("arrival_s,drawing_s\n5,2\n\n 1.5 , 3 \n")
    assert read_trace(file) == [Arrival(1.5, 3), Arrival(5, 2)]


def test_a_trace_may_begin_with_a_byte_order_mark_and_end_its_lines_as_windows_does(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfdrawing_s,arrival_s\r\n2,5\r\n")
    assert read_trace(file) == [Arrival(5, 2)]


def test_given_drawing_times_come_before_those_of_the_trace(file: Path) -> None:
    file.write_text("arrival_s,drawing_s\n5,2\n")
    assert read_trace(file, constant(9)) == [Arrival(5, 9)]


def test_a_trace_without_drawing_times_needs_some(file: Path) -> None:
    file.write_text("arrival_s\n5\n")
    assert read_trace(file, constant(9)) == [Arrival(5, 9)]
    assert "has no column drawing_s" in refusal(read_trace, file)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", 'line 1 of {file} is ""; it must be arrival_s,drawing_s, where drawing_s may be left out'),
        ("1,2\n", 'line 1 of {file} is "1,2"; it must be arrival_s,drawing_s'),
        ("drawing_s\n1\n", 'line 1 of {file} is "drawing_s"'),
        ("arrival_s,arrival_s\n1,2\n", 'line 1 of {file} is "arrival_s,arrival_s"'),
        ("arrival_s,size\n1,2\n", 'line 1 of {file} is "arrival_s,size"'),
        ("arrival_s\n", "{file} holds no line below its header"),
        ("arrival_s\n1\n1,2\n", 'line 3 of {file} is "1,2"; it must hold one value each for arrival_s'),
        ("arrival_s\n1\n\nsoon\n", 'line 4 of {file}: arrival_s is "soon"; it must be a number from 0'),
        ("arrival_s\n-1\n", 'line 2 of {file}: arrival_s is "-1"'),
        ("arrival_s\nnan\n", 'line 2 of {file}: arrival_s is "nan"'),
        ("arrival_s\ninf\n", 'line 2 of {file}: arrival_s is "inf"'),
        ("arrival_s\n\n1780000000\n", "times count from the start of the simulation"),
        ("arrival_s,drawing_s\n1,\n", 'line 2 of {file}: drawing_s is ""'),
    ],
)
def test_a_bad_trace_is_refused_with_its_line_and_value(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    assert said.format(file=file) in refusal(read_trace, file)


def test_a_file_that_cannot_be_read_or_is_no_text_is_refused_by_name(file: Path) -> None:
    assert refusal(read_trace, file) == f"{file} cannot be read: No such file or directory"
    file.write_bytes(b"arrival_s\n\xff\n")
    assert f"{file} is no CSV file in UTF-8" in refusal(read_trace, file)
    file.write_text("arrival_s\n" + "1" * 200_000)
    assert f"{file} is no CSV file" in refusal(read_trace, file)


def test_drawing_times_are_chosen_from_those_measured(file: Path) -> None:
    file.write_text("drawing_s\n2\n7\n")
    times = chosen_from(read_drawings(file), random.Random(1))
    assert {times() for _ in range(50)} == {2, 7}


def test_a_rate_curve_needs_two_lines_and_time_that_grows(file: Path) -> None:
    file.write_text("at_s,jobs_per_s\n0,1\n")
    assert "a rate curve needs two or more" in refusal(read_rates, file)
    file.write_text("at_s,jobs_per_s\n0,1\n60,1\n30,1\n")
    assert "at_s goes from 60 back to 30" in refusal(read_rates, file)


def test_a_rate_curve_that_would_fill_the_memory_is_refused(file: Path) -> None:
    file.write_text("at_s,jobs_per_s\n0,0\n86400,1000\n")
    assert f"{file} makes about 43200000 jobs; 2000000 are the most" in refusal(read_rates, file)


def test_arrivals_follow_the_rate_curve(file: Path) -> None:
    file.write_text("at_s,jobs_per_s\n0,0\n1000,2\n1000,0\n2000,0\n3000,4\n")
    arrivals = draw_arrivals(read_rates(file), constant(6), random.Random(3))
    times = [arrival.at_s for arrival in arrivals]
    assert times == sorted(times)

    def count(begin_s: float, end_s: float) -> int:
        return sum(begin_s <= at_s < end_s for at_s in times)

    # The areas under the curve; five standard deviations of a Poisson count, which is the root of its mean.
    for begin_s, end_s, mean in ((0, 500, 250), (500, 1000, 750), (2000, 2500, 500), (2500, 3000, 1500)):
        assert abs(count(begin_s, end_s) - mean) < 5 * mean**0.5
    assert count(1000, 2000) == 0
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert len(set(gaps)) == len(gaps)


def test_the_spread_of_a_count_is_that_of_a_poisson_process() -> None:
    curve = [RatePoint(0, 0.5), RatePoint(200, 0.5)]
    counts = [len(draw_arrivals(curve, constant(6), random.Random(seed))) for seed in range(300)]
    mean = sum(counts) / len(counts)
    variance = sum((each - mean) ** 2 for each in counts) / len(counts)
    assert mean == pytest.approx(100, rel=0.03) and variance == pytest.approx(100, rel=0.3)


def test_a_seed_gives_the_same_arrivals_again_and_another_one_others() -> None:
    curve = [RatePoint(0, 0.1), RatePoint(500, 0.3)]
    one, same, other = (draw_arrivals(curve, constant(6), random.Random(seed)) for seed in (1, 1, 2))
    assert one == same != other
