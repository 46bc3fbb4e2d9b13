"""When a callback that was not taken is tried again."""

from __future__ import annotations

import email.utils

import pytest
from handlers.callback_retry import MAX_DELAY_S, SCHEDULE_S, delay_s

NOW = 1_763_654_400.0


def test_the_waits_grow_from_seconds_to_half_a_day_and_end() -> None:
    waits = [delay_s(tries, None, NOW, 0.5) for tries in range(1, len(SCHEDULE_S) + 2)]

    assert waits == [5, 300, 1800, 7200, 18000, 36000, 42000, 0]


@pytest.mark.parametrize(("chance", "wait"), [(0.0, 270), (1.0, 330)])
def test_jitter_is_a_tenth_each_way(chance: float, wait: int) -> None:
    assert delay_s(2, None, NOW, chance) == wait


def test_no_wait_is_longer_than_sqs_can_hide_a_message() -> None:
    assert delay_s(7, None, NOW, 1.0) == delay_s(1, "99999999", NOW, 0.5) == MAX_DELAY_S < 12 * 3600


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        ("120", 120),
        (" 120 ", 120),
        ("1", 5),
        ("-1", 5),
        ("soon", 5),
        ("", 5),
        (email.utils.formatdate(NOW + 600, usegmt=True), 600),
        (email.utils.formatdate(NOW - 600, usegmt=True), 5),
    ],
)
def test_retry_after_can_only_make_the_wait_longer(retry_after: str, wait: int) -> None:
    assert delay_s(1, retry_after, NOW, 0.5) == wait
