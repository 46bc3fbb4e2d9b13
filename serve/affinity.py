"""Which job is drawn next: as few checkpoint switches as is fair to those who wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

#: Of every two jobs that wait for a checkpoint, about one more comes while they are drawn.
_TO_COME = 1.5


@dataclass(eq=False)
class Waiting:
    """One job that waits for its turn."""

    checkpoint: str | None  #: None when any will do: extras use none
    passed_over: int = 0  #: drawings of jobs that came later


_Place = TypeVar("_Place", bound=Waiting)


def next_of(waiting: Sequence[_Place], loaded: str | None, max_run: int) -> _Place:
    """The one to draw now. `waiting` is in order of arrival and not empty.

    Loading a checkpoint costs more than a drawing, so jobs with the loaded one go first; when there are none,
    the checkpoint is loaded that is good for the most drawings. Nobody is passed over more than `max_run`
    times: whoever was is next.
    """
    for place in waiting:
        if place.passed_over >= max_run:
            return place
    for place in waiting:
        if place.checkpoint in (None, loaded):
            return place
    first_of_each = {place.checkpoint: place for place in reversed(waiting)}.values()
    oldest_first = sorted(first_of_each, key=waiting.index)
    return max(oldest_first, key=lambda place: _run_length(place.checkpoint, waiting, max_run))


def pass_over(waiting: Sequence[Waiting], chosen: Waiting) -> None:
    """Count it for all who came before `chosen` and still wait."""
    for place in waiting[: waiting.index(chosen)]:
        place.passed_over += 1


def _run_length(checkpoint: str | None, waiting: Sequence[Waiting], max_run: int) -> float:
    """How many drawings in a row this checkpoint is good for, before it runs out or somebody else is due."""
    mine, room = 0, len(waiting) * _TO_COME
    for place in waiting:
        if place.checkpoint == checkpoint:
            mine += 1
        else:
            # Those of mine who came before this one do not pass it over.
            room = min(room, mine + max_run - place.passed_over)
    return min(mine * _TO_COME, room)
