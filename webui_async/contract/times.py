"""Time as it is written into JSON: UTC, ISO 8601, milliseconds."""

from __future__ import annotations

from datetime import datetime, timezone


def to_iso(epoch_s: float) -> str:
    """`epoch_s` as `2026-11-20T16:02:52.123Z`."""
    moment = datetime.fromtimestamp(round(epoch_s, 3), timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def to_epoch(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 time, `Z` or an offset at its end."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
