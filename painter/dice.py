"""Chance with a seed: every choice of the painter goes through one Dice, so a seed is a picture."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from painter.colors import COLORS, Color

T = TypeVar("T")


class Dice:
    """numpy's default generator with few words; the order of calls is part of what a seed means."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number between the two, given in either order."""
        return float(self.generator.uniform(min(low, high), max(low, high)))

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both possible."""
        return int(self.generator.integers(low, high + 1))

    def chance(self, probability: float) -> bool:
        """True that often."""
        return bool(self.generator.random() < probability)

    def pick(self, choices: Sequence[T], weights: Sequence[float] | None = None) -> T:
        """One of `choices`, evenly or by weight."""
        if weights is None:
            return choices[int(self.generator.integers(len(choices)))]
        shares = np.asarray(weights, float)
        return choices[int(self.generator.choice(len(choices), p=shares / shares.sum()))]

    def shuffled(self, items: Iterable[T]) -> list[T]:
        """The items in another order."""
        order = list(items)
        self.generator.shuffle(order)
        return order

    def jitter(self, spread: float) -> NDArray[np.float64]:
        """Three numbers between -spread and spread, to shift a colour by."""
        return self.generator.uniform(-spread, spread, 3)

    def shifted(self, color: Sequence[float], spread: float) -> Color:
        """`color` moved a little, each channel by up to `spread`."""
        r, g, b = np.clip(np.add(color, self.jitter(spread)), 0, 255)
        return r, g, b

    def color(self, name: str, spread: float = 9) -> Color:
        """The named colour, moved a little."""
        r, g, b = (float(np.clip(v + self.generator.uniform(-spread, spread), 0, 255)) for v in COLORS[name])
        return r, g, b
