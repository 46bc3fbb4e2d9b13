"""The twelve plain shapes, each about 1 high and wide round the pen's place."""

import math
from collections.abc import Callable

import numpy as np

from painter.colors import Color
from painter.pen import Pen

ShapePainter = Callable[[Pen, Color], None]


def circle(pen: Pen, color: Color) -> None:
    pen.disc(0, 0, 0.5, color, corners=64)


def ring(pen: Pen, color: Color) -> None:
    t = np.linspace(0, 2 * math.pi, 64)
    pen.line(np.stack([0.39 * np.cos(t), 0.39 * np.sin(t)], 1), color, width=0.18)


def square(pen: Pen, color: Color) -> None:
    pen.rect(-0.44, -0.44, 0.44, 0.44, color)


def rectangle(pen: Pen, color: Color) -> None:
    pen.rect(-0.58, -0.3, 0.58, 0.3, color)


def triangle(pen: Pen, color: Color) -> None:
    pen.polygon([(-0.5, 0.42), (0.5, 0.42), (0, -0.45)], color)


def star(pen: Pen, color: Color) -> None:
    t = -math.pi / 2 + np.arange(10) * math.pi / 5
    radius = np.where(np.arange(10) % 2 == 0, 0.55, 0.23)
    pen.polygon(np.stack([radius * np.cos(t), 0.03 + radius * np.sin(t)], 1), color)


def heart(pen: Pen, color: Color) -> None:
    t = np.linspace(0, 2 * math.pi, 60)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    pen.polygon(np.stack([x, y - 2.5], 1) / 34, color)


def cross(pen: Pen, color: Color) -> None:
    pen.rect(-0.48, -0.16, 0.48, 0.16, color)
    pen.rect(-0.16, -0.48, 0.16, 0.48, color)


def crescent(pen: Pen, color: Color) -> None:
    t = np.linspace(math.pi * 0.3, math.pi * 1.7, 40)
    outer = np.stack([0.45 * np.cos(t), 0.45 * np.sin(t)], 1)
    (first_x, first_y), (last_x, last_y) = outer[0] - (0.2, 0), outer[-1] - (0.2, 0)
    radius = math.hypot(first_x, first_y)
    start, end = math.atan2(last_y, last_x) % (2 * math.pi), math.atan2(first_y, first_x) % (2 * math.pi)
    t = np.linspace(start, end, 40)
    inner = np.stack([0.2 + radius * np.cos(t), radius * np.sin(t)], 1)
    pen.polygon(np.concatenate([outer, inner]), color)


def regular_polygon(corners: int, first_angle: float = -math.pi / 2) -> ShapePainter:
    """A painter of the polygon with that many equal sides."""

    def paint(pen: Pen, color: Color) -> None:
        t = first_angle + np.arange(corners) * 2 * math.pi / corners
        radius = 0.56 if corners < 5 else 0.52
        pen.polygon(np.stack([radius * np.cos(t), radius * np.sin(t)], 1), color)

    return paint


#: the order matters: scenes pick from it by weight, and some use its first eight only
SHAPES: dict[str, ShapePainter] = {
    "circle": circle,
    "ring": ring,
    "square": square,
    "triangle": triangle,
    "star": star,
    "heart": heart,
    "diamond": regular_polygon(4),
    "hexagon": regular_polygon(6, 0),
    "cross": cross,
    "rectangle": rectangle,
    "crescent": crescent,
    "pentagon": regular_polygon(5),
}
SHAPE_NAMES = list(SHAPES)

#: words a caption may use for a shape
SHAPE_WORDS = {
    "circle": ["circle", "circle", "disc", "ball", "dot"],
    "ring": ["ring"],
    "square": ["square"],
    "triangle": ["triangle"],
    "star": ["star"],
    "heart": ["heart"],
    "diamond": ["diamond"],
    "hexagon": ["hexagon"],
    "cross": ["cross", "plus sign"],
    "rectangle": ["rectangle"],
    "crescent": ["crescent", "crescent moon"],
    "pentagon": ["pentagon"],
}
