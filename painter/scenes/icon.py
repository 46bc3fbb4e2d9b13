"""One to three of a thing on a plain background."""

from dataclasses import replace

from painter.canvas import Canvas, Picture
from painter.colors import COLOR_NAMES, COLORS, shade
from painter.dice import Dice
from painter.light import DAYLIGHT, Light
from painter.pen import Pen
from painter.things import DEFAULT_COLOR, THINGS
from painter.words import NUMBERS, background_phrase, color_word, finish, other_color, plural, with_article

#: how often each thing of THINGS comes, in that order
_KIND_WEIGHTS = [2, 2, 1.5, 1, 1, 1, 0.7, 0.8, 1.4, 0.6, 1, 3, 2, 2, 2, 1.3, 1.6, 0.7, 0.9, 0.9]
#: how often each colour is the background, in the order of COLORS
_BACKGROUND_WEIGHTS = [1, 1, 1.4, 1, 2, 0.8, 1, 2.6, 1.2, 0.7, 0.4, 0.8]
_FLAT_THINGS = {"car": 0.62, "fish": 0.72, "cloud": 0.72}  # wider than high, so drawn smaller


def icon(dice: Dice, size_px: int) -> tuple[Picture, list[str]]:
    """A thing in the middle, or two or three in a row, and four captions."""
    canvas = Canvas(size_px)
    kind = dice.pick(list(THINGS), _KIND_WEIGHTS)
    background = dice.pick(COLOR_NAMES, _BACKGROUND_WEIGHTS)
    color = other_color(dice, background)
    is_named = True
    if kind in DEFAULT_COLOR and dice.chance(0.6) and DEFAULT_COLOR[kind] != background:
        color, is_named = DEFAULT_COLOR[kind], dice.chance(0.4)
    background_color = dice.color(background, 6)
    canvas.fill(background_color)
    count = dice.pick([1, 2, 3], [6, 1, 0.7])
    size = dice.uniform(*{1: (0.58, 0.8), 2: (0.36, 0.46), 3: (0.26, 0.31)}[count])
    size *= _FLAT_THINGS.get(kind, 1)
    roof = dice.pick(["red", "brown", "black", "blue"])
    light = replace(DAYLIGHT, roof=COLORS[roof if roof != background else "brown"])
    if dice.chance(0.3) and THINGS[kind].stands:  # a shadow on the ground
        width = 0.3 + 0.15 * dice.uniform()
        canvas.ellipse(0.5, 0.5 + size * 0.5, width, 0.04, shade(background_color, 0.85))
    for i in range(count):
        _paint_one(canvas, dice, kind, (i + 0.5) / count, size, count, color, light)
    captions = [_caption(dice, kind, count, color, is_named, background) for _ in range(4)]
    return canvas.image, captions


def _paint_one(
    canvas: Canvas, dice: Dice, kind: str, x: float, size: float, count: int, color: str, light: Light
) -> None:
    y = 0.5 + (size * 0.5 if THINGS[kind].stands else 0) + dice.uniform(-0.03, 0.03)
    if kind == "car":
        y = 0.5 + size * 0.36
    pen = Pen(canvas, x + dice.uniform(-0.03, 0.03) / count, y, size)
    THINGS[kind].paint(pen, dice, dice.color(color, 7), light)


def _caption(dice: Dice, kind: str, count: int, color: str, is_named: bool, background: str) -> str:
    noun = dice.pick(THINGS[kind].words)
    words = [color_word(dice, color)] if is_named or dice.chance(0.2) else []
    if count == 1:
        caption = " ".join([*words, noun])
        caption = with_article(caption) if dice.chance(0.88) else caption
    else:
        caption = f"{NUMBERS[count]} {' '.join([*words, plural(noun)])}"
    if dice.chance(0.86):
        caption += " " + background_phrase(dice, background)
    return finish(dice, caption)
