"""A figure: what was measured, and whether it meets its goal."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured number. `goal` is an upper bound unless `at_least`; without one it is for the record."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        if self.goal is None:
            return True
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    @property
    def line(self) -> str:
        """`name  value  unit  goal  ok|short`."""
        sign = "≥" if self.at_least else "≤"
        goal = "-" if self.goal is None else f"{sign} {self.goal:g}"
        return (
            f"{self.name:44} {self.value:10.4g}  {self.unit:7} {goal:10} {'ok' if self.is_met else 'short'}"
        )


def percentile(values: list[float], percent: float) -> float:
    """The value that `percent` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
