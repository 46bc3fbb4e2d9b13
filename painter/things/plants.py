"""Trees and other plants; the pen stands at the foot, and 1 is the height."""

import math

import numpy as np

from painter.colors import Color, lit, shade
from painter.dice import Dice
from painter.light import Light
from painter.pen import Pen

SNOW: Color = (246, 248, 252)


def pine(pen: Pen, dice: Dice, color: Color, light: Light) -> None:
    """A pine of three storeys, with snow on them when the scene is snowy."""
    pen.rect(-0.045, -0.2, 0.045, 0, lit((104, 68, 44), light.tint))
    storeys = [(-(0.14 + 0.24 * i), 0.31 - 0.07 * i) for i in range(3)]
    for base, w in storeys:
        top = base - 0.42
        pen.polygon([(-w, base), (0, top), (w, base)], color)
        pen.polygon([(0, top), (w, base), (w * 0.15, base)], shade(color, 0.82))
    if not light.snowy:
        return
    for base, w in storeys:
        left, middle, right = (-w * 0.45, base - 0.23), (0, base - 0.42), (w * 0.45, base - 0.23)
        snow = [left, middle, right, (w * 0.1, base - 0.19), (-w * 0.15, base - 0.25)]
        pen.polygon(snow, lit(SNOW, light.tint))


def tree(pen: Pen, dice: Dice, color: Color, light: Light) -> None:
    """A round tree; `color` is the crown."""
    trunk = lit((108, 70, 46), light.tint)
    pen.polygon([(-0.055, 0), (0.055, 0), (0.03, -0.55), (-0.03, -0.55)], trunk)
    pen.line([(0, -0.36), (0.14, -0.52)], trunk, width=0.03)
    pen.ellipse(-0.17, -0.56, 0.2, 0.2 * 0.95, shade(color, 0.9))
    pen.ellipse(0.18, -0.58, 0.2, 0.2 * 0.95, shade(color, 0.82))
    pen.ellipse(0, -0.72, 0.27, 0.27 * 0.95, shade(color, 1.0))
    pen.ellipse(-0.07, -0.76, 0.14, 0.14 * 0.95, shade(color, 1.12))
    if light.snowy:
        pen.ellipse(0, -0.87, 0.17, 0.07, lit(SNOW, light.tint))


def palm(pen: Pen, dice: Dice, color: Color, light: Light) -> None:
    """A palm leaning left or right."""
    lean = dice.pick((-1, 1))
    trunk = lit((136, 96, 58), light.tint)
    t = np.linspace(0, 1, 10)
    x, y = lean * 0.16 * t**2, -0.74 * t
    w = 0.035 * (1.25 - 0.5 * t)
    pen.polygon(np.concatenate([np.stack([x - w, y], 1), np.stack([x + w, y], 1)[::-1]]), trunk)
    top = np.array([x[-1], y[-1]])
    for angle in (-2.9, -2.3, -1.57, -0.85, -0.25, 0.35, 2.8):
        along = np.array([math.cos(angle), math.sin(angle)])
        middle = top + along * 0.2 - (0, 0.06)
        tip = top + along * 0.36 + (0, 0.08)
        leaf = shade(color, 1.0 if angle < -1 else 0.85)
        pen.polygon([top, middle - (0, 0.04), tip, middle - (0, -0.035)], leaf)
    pen.disc(x[-1], y[-1] + 0.02, 0.035, shade(trunk, 0.7))


def cactus(pen: Pen, dice: Dice, color: Color, light: Light) -> None:
    """A cactus with two arms."""
    for x, y0, y1 in ((-0.26, -0.4, -0.68), (0.26, -0.3, -0.62)):
        pen.line([(0, y0), (x, y0), (x, y1)], color, width=0.12)
    pen.rect(-0.1, -0.9, 0.1, 0, color)
    pen.disc(0, -0.9, 0.1, color)
    pen.rect(0.03, -0.88, 0.1, 0, shade(color, 0.84))
    pen.line([(-0.035, -0.85), (-0.035, -0.05)], shade(color, 1.2), least=0.004)


def flower(pen: Pen, dice: Dice, color: Color, light: Light) -> None:
    """A flower of six petals on a stem with two leaves."""
    stem = lit((64, 150, 72), light.tint)
    pen.line([(0, 0), (0, -0.6)], stem, width=0.04, least=0.004)
    pen.ellipse(-0.13, -0.2, 0.14, 0.05, stem, 0.6)
    pen.ellipse(0.13, -0.28, 0.14, 0.05, stem, -0.6)
    for i in range(6):
        angle = i * math.pi / 3 + 0.3
        petal = shade(color, 1.0 if i % 2 else 0.9)
        pen.disc(0.18 * math.cos(angle), -0.68 + 0.18 * math.sin(angle), 0.14, petal)
    looks_yellow = sum(abs(np.subtract(color, (250, 210, 55)))) <= 90
    pen.disc(0, -0.68, 0.11, (150, 90, 40) if looks_yellow else (250, 205, 60))


def mushroom(pen: Pen, dice: Dice, color: Color, light: Light) -> None:
    """A mushroom with three dots; `color` is the cap."""
    stem = lit((244, 234, 214), light.tint)
    pen.polygon([(-0.13, 0), (0.13, 0), (0.1, -0.5), (-0.1, -0.5)], stem)
    pen.ellipse(0, 0, 0.13, 0.04, stem)
    pen.ellipse(0, -0.45, 0.45, 0.5, color, 0, math.pi, 2 * math.pi)
    pen.ellipse(0, -0.45, 0.45, 0.07, shade(color, 0.8))
    dot = (250, 250, 246) if min(color) < 215 else (220, 60, 60)
    for x, y, radius in ((0, -0.75, 0.08), (-0.22, -0.6, 0.065), (0.22, -0.62, 0.06)):
        pen.ellipse(x, y, radius, radius * 0.85, dot)
