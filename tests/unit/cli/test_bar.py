"""The bar on standard error: what it counts, and where it keeps quiet."""

from __future__ import annotations

import io

import pytest

from webui_async.cli.bar import Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def last(terminal: Terminal) -> str:
    return terminal.getvalue().rstrip("\n").split("\r")[-1]


def test_a_bar_tells_what_is_done_of_what_with_rate_and_time_left() -> None:
    terminal = Terminal()
    with Bar(terminal) as bar:
        bar.start("sending", 4_000_000)
        bar.done(1_000_000)
    assert last(terminal).startswith("sending:  25%") and "1.00M/4.00M" in last(terminal)
    assert "B/s" in last(terminal)


def test_what_an_earlier_run_sent_is_done_and_no_part_of_the_rate() -> None:
    terminal = Terminal()
    with Bar(terminal) as bar:
        bar.start("sending", 4_000_000)
        bar.kept(3_000_000)
        bar.done(0)
    assert "75%" in last(terminal) and last(terminal).endswith((", ?B/s]", " 0.00B/s]"))


def test_each_stretch_has_a_bar_of_its_own() -> None:
    terminal = Terminal()
    with Bar(terminal) as bar:
        bar.start("hashing", 10)
        bar.done(10)
        bar.start("sending", 20)
        bar.done(20)
    assert "hashing: 100%" in terminal.getvalue() and "sending: 100%" in terminal.getvalue()


def test_nothing_is_shown_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar() as bar:
        bar.start("sending", 10)
        bar.kept(5)
        bar.done(5)
    assert capsys.readouterr() == ("", "")
