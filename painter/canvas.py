"""A square picture to draw on.

Positions and lengths are shares of its side: (0, 0) is top left, (1, 1) bottom right.
"""

import math
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from painter.colors import Color, to_pixel

# Pictures are drawn by many processes at once; OpenCV's own threads would only get in their way.
cv2.setNumThreads(1)

Picture = NDArray[np.uint8]  # height x width x 3, RGB
_SUBPIXEL_BITS = 4


class Canvas:
    """What the painter draws on; `image` is the RGB picture, black at first."""

    def __init__(self, size_px: int) -> None:
        self.size_px = size_px
        self.image: Picture = np.zeros((size_px, size_px, 3), np.uint8)

    def fill(self, color: Sequence[float]) -> None:
        """The whole picture in one colour."""
        self.image[:] = np.array(to_pixel(color), np.uint8)

    def polygon(self, points: ArrayLike, color: Sequence[float]) -> None:
        """A filled polygon, its edge smoothed."""
        cv2.fillPoly(
            self.image, [self._fixed(points)], to_pixel(color), lineType=cv2.LINE_AA, shift=_SUBPIXEL_BITS
        )

    def line(self, points: ArrayLike, color: Sequence[float], width: float) -> None:
        """An open line through `points`, at least one pixel wide."""
        width_px = max(1, round(width * self.size_px))
        path = [self._fixed(points)]
        cv2.polylines(self.image, path, False, to_pixel(color), width_px, cv2.LINE_AA, shift=_SUBPIXEL_BITS)

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
        corners: int = 40,
    ) -> None:
        """A filled ellipse, or its piece from angle `start` to `end`; `turn` turns it. All in radians."""
        angle = np.linspace(start, end, corners)
        dx, dy = rx * np.cos(angle), ry * np.sin(angle)
        if turn:
            dx, dy = dx * math.cos(turn) - dy * math.sin(turn), dx * math.sin(turn) + dy * math.cos(turn)
        self.polygon(np.stack([x + dx, y + dy], 1), color)

    def disc(self, x: float, y: float, radius: float, color: Sequence[float], corners: int = 40) -> None:
        """A filled circle."""
        self.ellipse(x, y, radius, radius, color, corners=corners)

    def rect(self, x0: float, y0: float, x1: float, y1: float, color: Sequence[float]) -> None:
        """A filled upright rectangle."""
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], color)

    def below(
        self, xs: Iterable[float], ys: Iterable[float], color: Sequence[float], bottom: float = 1.02
    ) -> None:
        """Everything between the line (xs, ys), which crosses the whole picture, and `bottom`."""
        self.polygon([*zip(xs, ys, strict=True), (1.02, bottom), (-0.02, bottom)], color)

    def vertical_gradient(self, top: float, bottom: float, stops: Sequence[Sequence[float]]) -> None:
        """A full-width band whose colour runs through `stops` from top to bottom."""
        first = max(0, round(top * self.size_px))
        last = min(self.size_px, round(bottom * self.size_px))
        if last <= first:
            return
        at = np.linspace(0, 1, last - first)
        stop_at = np.linspace(0, 1, len(stops))
        rows = np.stack([np.interp(at, stop_at, [stop[k] for stop in stops]) for k in range(3)], 1)
        self.image[first:last] = np.round(rows).clip(0, 255).astype(np.uint8)[:, None, :]

    def glow(self, x: float, y: float, radius: float, color: Sequence[float], alpha: float) -> None:
        """Soft light round (x, y): `alpha` in the middle, nothing at `radius`."""
        side = self.size_px
        x0, x1 = max(0, int((x - radius) * side)), min(side, int((x + radius) * side))
        y0, y1 = max(0, int((y - radius) * side)), min(side, int((y + radius) * side))
        if x1 <= x0 or y1 <= y0:
            return
        dy = (np.arange(y0, y1, dtype=np.float32)[:, None] / side - y) / radius
        dx = (np.arange(x0, x1, dtype=np.float32)[None] / side - x) / radius
        weight = np.clip(1 - (dx * dx + dy * dy), 0, 1) ** 2 * alpha
        region = self.image[y0:y1, x0:x1].astype(np.float32)
        region += (np.asarray(color, np.float32) - region) * weight[..., None]
        self.image[y0:y1, x0:x1] = region.clip(0, 255).astype(np.uint8)

    def color_at(self, x: float, y: float) -> Color:
        """The colour now at (x, y); a place outside counts as the nearest edge."""
        row = min(self.size_px - 1, int(y * self.size_px))
        column = min(self.size_px - 1, max(0, int(x * self.size_px)))
        r, g, b = map(float, self.image[row, column])
        return r, g, b

    def _fixed(self, points: ArrayLike) -> NDArray[np.int32]:
        """Picture units as OpenCV's fixed-point pixel positions."""
        scaled = (np.asarray(points, np.float32) * self.size_px - 0.5) * (1 << _SUBPIXEL_BITS)
        return np.round(scaled).astype(np.int32)
