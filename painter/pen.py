"""Drawing in a thing's own units: (0, 0) is where it stands, 1 is its size, and up is negative."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from painter.canvas import Canvas

Point = Sequence[float] | NDArray[np.float64]


class Pen:
    """A canvas seen from one thing: at (x, y) of the picture, `size` of the picture high."""

    def __init__(self, canvas: Canvas, x: float, y: float, size: float) -> None:
        self.canvas = canvas
        self.x, self.y, self.size = x, y, size

    def polygon(self, points: Iterable[Point], color: Sequence[float]) -> None:
        """A filled polygon, its edge smoothed."""
        self.canvas.polygon(self._placed(points), color)

    def rect(self, x0: float, y0: float, x1: float, y1: float, color: Sequence[float]) -> None:
        """A filled upright rectangle."""
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], color)

    def line(
        self, points: Iterable[Point], color: Sequence[float], width: float = 0.0, least: float = 0.0
    ) -> None:
        """An open line; `width` is in the thing's units, `least` in the picture's."""
        self.canvas.line(self._placed(points), color, max(least, width * self.size))

    def ellipse(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        color: Sequence[float],
        turn: float = 0.0,
        start: float = 0.0,
        end: float = 2 * math.pi,
    ) -> None:
        """A filled ellipse, or the piece of one from angle `start` to `end`."""
        cx, cy = self.x + x * self.size, self.y + y * self.size
        self.canvas.ellipse(cx, cy, rx * self.size, ry * self.size, color, turn, start, end)

    def disc(self, x: float, y: float, radius: float, color: Sequence[float], corners: int = 40) -> None:
        """A filled circle."""
        self.canvas.disc(self.x + x * self.size, self.y + y * self.size, radius * self.size, color, corners)

    def glow(self, x: float, y: float, radius: float, color: Sequence[float], alpha: float) -> None:
        """Soft light round (x, y)."""
        cx, cy = self.x + x * self.size, self.y + y * self.size
        self.canvas.glow(cx, cy, radius * self.size, color, alpha)

    def _placed(self, points: Iterable[Point]) -> list[tuple[float, float]]:
        return [(self.x + u * self.size, self.y + v * self.size) for u, v in points]
