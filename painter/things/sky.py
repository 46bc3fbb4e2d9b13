"""Things of the sky; the pen is at the middle, and 1 is about the width."""

import math

import numpy as np

from painter.colors import Color
from painter.dice import Dice
from painter.light import Light
from painter.pen import Pen
from painter.shapes import crescent


def cloud(pen: Pen, dice: Dice, color: Color, light: Light) -> None:
    """A cloud of four bulges on a flat bottom."""
    for x, y, radius in ((-0.42, 0.02, 0.22), (0.44, 0.03, 0.2), (-0.14, -0.14, 0.3), (0.2, -0.08, 0.27)):
        pen.ellipse(x, y, radius, radius * 0.8, color)
    pen.rect(-0.45, 0, 0.46, 0.19, color)


def sun(pen: Pen, dice: Dice, color: Color, light: Light) -> None:
    """A sun with twelve rays."""
    for i in range(12):
        angle = i * math.pi / 6
        along = np.array([math.cos(angle), math.sin(angle)])
        across = np.array([-along[1], along[0]])
        pen.polygon([along * 0.36 + across * 0.05, along * 0.5, along * 0.36 - across * 0.05], color)
    pen.disc(0, 0, 0.32, color)


def moon(pen: Pen, dice: Dice, color: Color, light: Light) -> None:
    """A crescent moon."""
    crescent(pen, color)
