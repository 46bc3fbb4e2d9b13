"""Animals and vehicles; the pen stands at the foot (balloon, fish and rocket: in the middle)."""

import math

import numpy as np

from painter.colors import WHITE, Color, lit, mix, shade
from painter.dice import Dice
from painter.light import Light
from painter.pen import Pen


def balloon(pen: Pen, dice: Dice, color: Color, light: Light) -> None:
    """A hot air balloon in three bands of its colour."""
    radius, middle = 0.36, -0.12
    t = np.linspace(math.pi * 0.86, math.pi * 2.14, 36)

    def envelope(share: float) -> list[tuple[float, float]]:
        x, y = share * radius * np.cos(t), middle + radius * 1.02 * np.sin(t)
        mouth_x, mouth_y = share * radius * 0.24, middle + radius * 1.25
        return [*zip(x, y, strict=True), (mouth_x, mouth_y), (-mouth_x, mouth_y)]

    pen.polygon(envelope(1.0), shade(color, 0.86))
    pen.polygon(envelope(0.68), color)
    pen.polygon(envelope(0.30), mix(color, WHITE, 0.38))
    basket = middle + radius * 1.48
    for side in (-1, 1):
        rope = [(side * radius * 0.2, middle + radius * 1.25), (side * radius * 0.15, basket)]
        pen.line(rope, (70, 52, 40), least=0.003)
    w = radius * 0.22
    pen.rect(-radius * 0.19, basket, radius * 0.19, basket + radius * 0.28, lit((128, 84, 46), light.tint))
    pen.rect(-w, basket - radius * 0.02, w, basket + radius * 0.06, lit((160, 112, 66), light.tint))


def boat(pen: Pen, dice: Dice, color: Color, light: Light) -> None:
    """A sailing boat; `color` is the sails."""
    hull = lit((116, 70, 42), light.tint)
    pen.polygon([(-0.44, -0.2), (0.5, -0.2), (0.34, 0), (-0.32, 0)], hull)
    pen.polygon([(-0.44, -0.2), (0.5, -0.2), (0.47, -0.15), (-0.41, -0.15)], shade(hull, 1.3))
    pen.line([(0, -0.2), (0, -1)], shade(hull, 0.7), width=0.018, least=0.004)
    pen.polygon([(0.04, -0.96), (0.04, -0.26), (0.46, -0.26)], color)
    pen.polygon([(-0.04, -0.84), (-0.04, -0.26), (-0.36, -0.26)], mix(color, WHITE, 0.32))


def cat(pen: Pen, dice: Dice, color: Color, light: Light) -> None:
    """A sitting cat seen from the front."""
    eye = (250, 210, 70) if sum(color) < 200 else (30, 30, 36)
    t = np.linspace(0, 1, 14)
    tail = np.stack([0.2 + 0.32 * np.sin(t * 2.6), -0.06 - 0.5 * t], 1)
    pen.line(tail, shade(color, 0.85), width=0.08)
    pen.ellipse(0, -0.26, 0.25, 0.28, color)
    pen.ellipse(-0.1, -0.03, 0.1, 0.05, shade(color, 1.1))
    pen.ellipse(0.1, -0.03, 0.1, 0.05, shade(color, 1.1))
    head = Pen(pen.canvas, pen.x, pen.y - 0.64 * pen.size, pen.size)
    for side in (-1, 1):
        head.polygon([(side * 0.22, -0.34), (side * 0.03, -0.15), (side * 0.21, -0.02)], color)
        inner_ear = [(side * 0.19, -0.27), (side * 0.08, -0.14), (side * 0.19, -0.07)]
        head.polygon(inner_ear, mix(color, (250, 150, 160), 0.6))
    head.ellipse(0, 0, 0.23, 0.2, color)
    for side in (-1, 1):
        head.ellipse(side * 0.09, -0.02, 0.038, 0.048, eye)
    head.polygon([(-0.025, 0.05), (0.025, 0.05), (0, 0.08)], (235, 120, 130))
    for side in (-1, 1):
        for y in (0.04, 0.09):
            whisker = [(side * 0.08, 0.07), (side * 0.27, y)]
            head.line(whisker, mix(color, (128, 128, 128), 0.6), least=0.003)


def car(pen: Pen, dice: Dice, color: Color, light: Light) -> None:
    """A car seen from the side."""
    window = lit((190, 226, 240), light.tint)
    pen.polygon([(-0.5, -0.42), (-0.3, -0.72), (0.28, -0.72), (0.5, -0.42)], color)
    pen.polygon([(-0.38, -0.43), (-0.26, -0.65), (-0.03, -0.65), (-0.03, -0.43)], window)
    pen.polygon([(0.38, -0.43), (0.25, -0.65), (0.03, -0.65), (0.03, -0.43)], window)
    pen.polygon([(-0.8, -0.42), (0.74, -0.42), (0.82, -0.3), (0.82, -0.12), (-0.82, -0.12)], color)
    pen.rect(-0.82, -0.19, 0.82, -0.12, shade(color, 0.75))
    pen.rect(0.73, -0.36, 0.82, -0.27, (255, 240, 170))
    for x in (-0.45, 0.45):
        pen.disc(x, -0.13, 0.15, (34, 34, 40))
        pen.disc(x, -0.13, 0.07, (180, 184, 190))


def fish(pen: Pen, dice: Dice, color: Color, light: Light) -> None:
    """A fish swimming left or right."""
    ahead = dice.pick((-1, 1))
    tail = [(-ahead * 0.42, 0), (-ahead * 0.78, -0.3), (-ahead * 0.68, 0), (-ahead * 0.78, 0.3)]
    pen.polygon(tail, shade(color, 0.85))
    pen.polygon([(-ahead * 0.1, -0.25), (ahead * 0.1, -0.5), (ahead * 0.22, -0.22)], shade(color, 0.8))
    pen.ellipse(0, 0, 0.52, 0.33, color)
    pen.ellipse(ahead * 0.02, 0.1, 0.4, 0.18, mix(color, WHITE, 0.25))
    pen.disc(ahead * 0.3, -0.07, 0.075, WHITE)
    pen.disc(ahead * 0.32, -0.07, 0.04, (25, 25, 30))


def rocket(pen: Pen, dice: Dice, color: Color, light: Light) -> None:
    """A rocket flying up on its flame."""
    pen.polygon([(-0.08, 0.3), (0, 0.56), (0.08, 0.3)], (255, 170, 40))
    pen.polygon([(-0.04, 0.3), (0, 0.44), (0.04, 0.3)], (255, 236, 130))
    for side in (-1, 1):
        pen.polygon([(side * 0.13, 0.02), (side * 0.3, 0.34), (side * 0.1, 0.28)], shade(color, 0.7))
    t = np.linspace(0, 1, 16)
    w = 0.17 * np.sin(np.pi * (t * 0.82)) ** 0.7
    y = -0.5 + t * 0.8
    right = np.stack([w, y], 1)[::-1]
    pen.polygon(np.concatenate([np.stack([-w, y], 1), right]), color)
    pen.polygon(np.concatenate([np.stack([w * 0.35, y], 1), right]), shade(color, 0.85))
    pen.disc(0, -0.12, 0.085, (240, 240, 240))
    pen.disc(0, -0.12, 0.06, (120, 200, 235))
