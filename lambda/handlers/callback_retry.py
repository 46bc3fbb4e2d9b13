"""When a callback that was not taken is tried again."""

from __future__ import annotations

import email.utils

#: Seconds before the second, third … try. The queue's maxReceiveCount is one more than there are entries.
SCHEDULE_S = (5, 300, 1800, 7200, 18000, 36000, 42000)
#: SQS hides a message for 12 h at most, counted from when it was received.
MAX_DELAY_S = 42000
_JITTER = 0.2


def delay_s(tries: int, retry_after: str | None, now: float, chance: float) -> int:
    """Seconds to wait after `tries` failed tries; 0 after the last one, so that the message goes to the dead.

    retry_after: the receiver's header, which can only make the wait longer.
    chance: 0 to 1, for the jitter.
    """
    if tries > len(SCHEDULE_S):
        return 0
    wanted = SCHEDULE_S[max(tries, 1) - 1] * (1 + _JITTER * (chance - 0.5))
    return int(min(MAX_DELAY_S, max(wanted, _asked_s(retry_after, now))))


def _asked_s(retry_after: str | None, now: float) -> float:
    """The seconds a Retry-After header asks for: a number or a date; 0 when it is neither."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return email.utils.parsedate_to_datetime(text).timestamp() - now
    except ValueError:
        return 0.0
