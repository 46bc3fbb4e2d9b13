"""Patterns of two colours."""

import numpy as np

from painter.canvas import Canvas, Picture
from painter.colors import COLOR_NAMES, Color
from painter.dice import Dice
from painter.words import color_word, finish, other_color


def pattern(dice: Dice, size_px: int) -> tuple[Picture, list[str]]:
    """Stripes, a checkerboard, dots, a gradient or rings, and four captions."""
    canvas = Canvas(size_px)
    first = dice.pick(COLOR_NAMES)
    second = other_color(dice, first)
    colors = dice.color(first), dice.color(second)
    kind = dice.pick(["stripes", "checker", "dots", "gradient", "rings"])
    words = color_word(dice, first), color_word(dice, second)
    painters = {"stripes": stripes, "checker": checker, "dots": dots, "gradient": gradient, "rings": rings}
    phrases = painters[kind](canvas, dice, *colors)
    captions = [finish(dice, dice.pick(phrases) % words) for _ in range(4)]
    return canvas.image, captions


def gradient(canvas: Canvas, dice: Dice, first: Color, second: Color) -> list[str]:
    """One colour running into the other, down or to the right. Gives phrases with a gap for each."""
    canvas.vertical_gradient(0, 1, [first, second])
    if not dice.chance(0.5):
        canvas.image = np.ascontiguousarray(canvas.image.transpose(1, 0, 2))
    return ["a gradient from %s to %s", "%s to %s gradient", "an abstract %s and %s gradient"]


def stripes(canvas: Canvas, dice: Dice, first: Color, second: Color) -> list[str]:
    """Stripes across, down or aslant. Gives phrases with a gap for each."""
    canvas.fill(first)
    way = dice.pick(["horizontal", "vertical", "diagonal"])
    count = dice.integer(4, 7)
    width = 1 / (2 * count)
    for i in range(-2 * count, 3 * count):
        at = 2 * i * width
        if way == "horizontal":
            canvas.rect(-0.01, at, 1.01, at + width, second)
        elif way == "vertical":
            canvas.rect(at, -0.01, at + width, 1.01, second)
        else:
            top, foot = [(at, -0.01), (at + width, -0.01)], [(at + width - 1.02, 1.01), (at - 1.02, 1.01)]
            canvas.polygon([*top, *foot], second)
    return [
        "%s and %s stripes",
        way + " %s and %s stripes",
        "%s and %s " + way + " stripes",
        "a striped %s and %s pattern",
    ]


def checker(canvas: Canvas, dice: Dice, first: Color, second: Color) -> list[str]:
    """A checkerboard. Gives phrases with a gap for each."""
    canvas.fill(first)
    n = dice.integer(4, 8)
    for i in range(n):
        for j in range(n):
            if (i + j) % 2:
                canvas.rect(i / n, j / n, (i + 1) / n, (j + 1) / n, second)
    return ["a %s and %s checkerboard", "%s and %s checkered pattern", "a %s and %s chessboard"]


def dots(canvas: Canvas, dice: Dice, first: Color, second: Color) -> list[str]:
    """Dots in shifted rows. Gives phrases with a gap for each."""
    canvas.fill(first)
    n = dice.integer(3, 6)
    for i in range(n + 1):
        for j in range(n + 1):
            x = (i + (0.5 if j % 2 else 0)) / n
            canvas.disc(x, (j + 0.25) / n, 0.24 / n, second)
    return ["%s background with %s polka dots", "a %s pattern with %s dots"]


def rings(canvas: Canvas, dice: Dice, first: Color, second: Color) -> list[str]:
    """Rings round the middle. Gives phrases with a gap for each."""
    canvas.fill(first)
    n = dice.integer(3, 5)
    for i in range(2 * n, 0, -1):
        canvas.disc(0.5, 0.5, 0.7 * i / (2 * n), second if i % 2 else first, corners=72)
    return ["%s and %s concentric circles", "a %s and %s target", "%s and %s rings"]
