"""deploy/logs.py: what the containers printed, line by line, and as it comes."""

from __future__ import annotations

import itertools

import pytest

from tests.unit.deploy.house import House
from webui_async.contract.errors import NotAllowed
from webui_async.deploy.logs import last_lines, read_lines, told_lines
from webui_async.deploy.making import Clock


def test_lines_of_all_instances_come_in_order_with_time_and_instance(house: House) -> None:
    now = house.now_s
    house.put_log("second", "gpu/i-2", now - 5)
    house.put_log("first", "gpu/i-1", now - 10)
    house.put_log("old", "gpu/i-1", now - 1000)
    lines = list(read_lines(house, "painter", now - 60))
    assert [line.text for line in lines] == ["first", "second"]
    assert [str(line).split(" ")[1:] for line in lines] == [["i-1", "first"], ["i-2", "second"]]


def test_an_endpoint_that_has_printed_nothing_has_no_lines(house: House) -> None:
    assert list(read_lines(house, "painter", 0.0)) == []


def test_what_a_terminal_would_act_on_is_shown_as_an_escape(house: House) -> None:
    house.put_log("\x1b[2Jgone")
    (line,) = read_lines(house, "painter", 0.0)
    assert "\x1b" not in str(line) and "\\x1b[2Jgone" in str(line)


def test_following_gives_each_line_once_as_it_comes(house: House) -> None:
    numbers = itertools.count(1)
    clock = Clock(lambda: house.now_s, lambda _: house.put_log(f"line {next(numbers)}"))
    lines = read_lines(house, "painter", house.now_s - 60, follow=True, clock=clock)
    assert [next(lines).text for _ in range(4)] == ["line 1", "line 2", "line 3", "line 4"]


def test_a_late_line_of_another_instance_is_not_missed(house: House) -> None:
    now = house.now_s
    house.put_log("newer", "gpu/i-1", now)
    late = iter([lambda: house.put_log("late", "gpu/i-2", now - 20)])
    clock = Clock(lambda: house.now_s, lambda _: next(late)())
    lines = read_lines(house, "painter", now - 60, follow=True, clock=clock)
    assert [next(lines).text for _ in range(2)] == ["newer", "late"]


def test_the_last_lines_are_of_the_instance_that_printed_last(house: House) -> None:
    now = house.now_s
    house.put_log("other", "gpu/i-1", now - 50)
    for number in range(20):
        house.put_log(f"line {number}", "gpu/i-2", now - 20 + number)
    lines = last_lines(house, "painter", now - 100, count=3)
    assert [line.text for line in lines] == ["line 17", "line 18", "line 19"]
    assert told_lines(lines, "painter").splitlines()[0] == "The container's last lines:"


def test_lines_of_an_earlier_failure_are_left_out(house: House) -> None:
    house.put_log("old", at_s=house.now_s - 100)
    assert last_lines(house, "painter", house.now_s - 10) == []


def test_a_log_that_cannot_be_read_hides_no_other_failure(house: House) -> None:
    class Refusing:
        def __getattr__(self, name: str) -> object:
            raise NotAllowed("grant logs:DescribeLogStreams")

    house.stubs["logs"] = Refusing()
    (line,) = last_lines(house, "painter", 0.0)
    assert "the log cannot be read: grant logs:DescribeLogStreams" in line.text


@pytest.mark.parametrize("part", ["image", "model pack", "ami_version"])
def test_no_lines_at_all_tell_what_leaves_none(part: str) -> None:
    assert part in told_lines([], "painter")
