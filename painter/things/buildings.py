"""Houses and other things people built; the pen stands at the foot, and 1 is the height."""

import math

import numpy as np

from painter.colors import Color, lit, shade
from painter.dice import Dice
from painter.light import Light
from painter.pen import Pen


def house(pen: Pen, dice: Dice, color: Color, light: Light) -> None:
    """A house with two windows; `color` is the wall, `light.roof` the roof."""
    w, h = 0.46, 0.55
    roof = lit(light.roof or (150, 62, 48), light.tint)
    window = (255, 226, 130) if light.night else lit((178, 222, 240), light.tint)
    pen.rect(w * 0.45, -1.02, w * 0.68, -0.6, shade(roof, 0.7))
    pen.rect(-w, -h, w, 0, color)
    pen.rect(w * 0.55, -h, w, 0, shade(color, 0.86))
    pen.polygon([(-w * 1.2, -h), (0, -1), (w * 1.2, -h)], roof)
    pen.polygon([(0, -1), (w * 1.2, -h), (w * 0.5, -h)], shade(roof, 0.85))
    pen.rect(-w * 0.18, -h * 0.62, w * 0.18, 0, lit((92, 60, 40), light.tint))
    for x in (-0.62, 0.62):
        pen.rect(w * (x - 0.2), -h * 0.72, w * (x + 0.2), -h * 0.32, window)
        pen.line([(w * x, -h * 0.72), (w * x, -h * 0.32)], shade(color, 0.7), least=0.004)


def lighthouse(pen: Pen, dice: Dice, color: Color, light: Light) -> None:
    """A lighthouse in five bands, every other one white; its lamp glows at night."""
    white = lit((244, 242, 236), light.tint)
    if light.rock:
        rock = lit((96, 92, 96), light.tint)
        pen.ellipse(0, 0.02, 0.36, 0.12, rock)
        pen.ellipse(-0.1, 0, 0.2, 0.1, shade(rock, 1.15))
    for i in range(5):
        band = color if i % 2 == 0 else white
        y0, y1 = -0.72 * i / 5, -0.72 * (i + 1) / 5
        w0, w1 = 0.15 - 0.06 * i / 5, 0.15 - 0.06 * (i + 1) / 5
        pen.polygon([(-w0, y0), (w0, y0), (w1, y1), (-w1, y1)], band)
        pen.polygon([(w0 * 0.4, y0), (w0, y0), (w1, y1), (w1 * 0.4, y1)], shade(band, 0.85))
    if light.night:
        pen.glow(0, -0.8, 0.5, (255, 236, 150), 0.7)
    pen.rect(-0.12, -0.75, 0.12, -0.72, lit((60, 60, 70), light.tint))
    pen.rect(-0.07, -0.88, 0.07, -0.75, (255, 234, 140))
    pen.polygon([(-0.1, -0.88), (0, -1), (0.1, -0.88)], color)


def castle(pen: Pen, dice: Dice, color: Color, light: Light) -> None:
    """A gray castle; `color` is the roofs of its two towers."""
    stone = lit((176, 172, 178), light.tint)
    window = (255, 220, 120) if light.night else shade(stone, 0.5)
    w = 0.46
    pen.rect(-w * 0.8, -0.45, w * 0.8, 0, stone)
    for i in range(5):
        x = -w * 0.62 + i * w * 1.24 / 5
        pen.rect(x, -0.51, x + w * 0.14, -0.44, stone)
    for side in (-1, 1):
        x = side * w * 0.82
        pen.rect(x - w * 0.24, -0.66, x + w * 0.24, 0, shade(stone, 1.08 if side < 0 else 0.88))
        pen.polygon([(x - w * 0.32, -0.66), (x, -1), (x + w * 0.32, -0.66)], color)
        pen.rect(x - w * 0.06, -0.55, x + w * 0.06, -0.42, window)
    pen.rect(-w * 0.18, -0.2, w * 0.18, 0, shade(stone, 0.42))
    pen.disc(0, -0.2, w * 0.18, shade(stone, 0.42))


def windmill(pen: Pen, dice: Dice, color: Color, light: Light) -> None:
    """A windmill with four white blades; `color` is its body."""
    cap = lit((120, 70, 50), light.tint)
    blade = lit((240, 236, 226), light.tint)
    pen.polygon([(-0.18, 0), (0.18, 0), (0.11, -0.6), (-0.11, -0.6)], color)
    pen.polygon([(0.05, 0), (0.18, 0), (0.11, -0.6), (0.04, -0.6)], shade(color, 0.85))
    pen.polygon([(-0.13, -0.6), (0.13, -0.6), (0, -0.76)], cap)
    pen.rect(-0.05, -0.16, 0.05, 0, shade(cap, 0.7))
    first_angle = dice.uniform(0.3, 1.2)
    hub = np.array([0, -0.6])
    for i in range(4):
        angle = first_angle + i * math.pi / 2
        along = np.array([math.cos(angle), math.sin(angle)])
        across = np.array([-along[1], along[0]])
        tip = hub + along * 0.42
        pen.polygon([hub + along * 0.06, tip, tip + across * 0.09, hub + along * 0.1 + across * 0.09], blade)
        pen.line([hub, tip], shade(cap, 0.6), least=0.004)
    pen.disc(0, -0.6, 0.03, shade(cap, 0.6))


def tent(pen: Pen, dice: Dice, color: Color, light: Light) -> None:
    """A tent, lit from inside at night."""
    pen.polygon([(-0.62, 0), (-0.05, -0.8), (0.62, 0)], color)
    pen.polygon([(-0.05, -0.8), (0.62, 0), (0.2, 0)], shade(color, 0.8))
    inside = (255, 214, 110) if light.night else shade(color, 0.4)
    pen.polygon([(-0.06, -0.55), (0.14, 0), (-0.26, 0)], inside)
