from __future__ import annotations

import random

import pytest

from serve.affinity import Waiting, next_of, pass_over


def queue(checkpoints: str) -> list[Waiting]:
    """`-` needs none."""
    return [Waiting(None if name == "-" else name) for name in checkpoints]


def chosen(checkpoints: str, loaded: str | None, max_run: int = 8) -> int:
    waiting = queue(checkpoints)
    return waiting.index(next_of(waiting, loaded, max_run))


@pytest.mark.parametrize(
    ("checkpoints", "loaded", "expected"),
    [
        ("ABAB", "B", 1),  # the loaded one, though another was first
        ("AB-", "C", 2),  # what needs no checkpoint needs no switch
        ("ABBAB", "C", 1),  # of two that must be loaded, the one that most wait for
        ("BAAB", "C", 0),  # of two alike, the one that waits longest
        ("AB", None, 0),  # nobody knows what is loaded: first come, first served
    ],
)
def test_the_next_drawing_spares_switches(checkpoints: str, loaded: str | None, expected: int) -> None:
    assert chosen(checkpoints, loaded) == expected


def test_a_job_passed_over_often_enough_is_next_whatever_is_loaded() -> None:
    waiting = queue("ABBB")
    waiting[0].passed_over = 3
    assert next_of(waiting, "B", 3) is waiting[0]


def test_a_job_that_will_soon_be_due_is_not_left_for_a_longer_queue() -> None:
    waiting = queue("ABBBB")
    waiting[0].passed_over = 7
    assert next_of(waiting, "C", 8) is waiting[0]


def test_only_those_who_came_before_are_passed_over() -> None:
    waiting = queue("ABA")
    pass_over(waiting, waiting[1])
    assert [place.passed_over for place in waiting] == [1, 0, 0]


@pytest.mark.parametrize("max_run", [0, 1, 3, 8])
@pytest.mark.parametrize("seed", range(5))
def test_nobody_is_passed_over_more_than_max_run_times(seed: int, max_run: int) -> None:
    randomly = random.Random(seed)
    waiting: list[Waiting] = []
    loaded, drawn = None, []
    for _ in range(500):
        while len(waiting) < randomly.randint(1, 8):
            waiting.append(Waiting(randomly.choice("AAAABCDE")))
        place = next_of(waiting, loaded, max_run)
        pass_over(waiting, place)
        waiting.remove(place)
        loaded = place.checkpoint
        drawn.append(place)
    assert max(place.passed_over for place in drawn) == max_run


def test_without_a_run_it_is_first_come_first_served() -> None:
    assert chosen("ABBB", "B", max_run=0) == 0
