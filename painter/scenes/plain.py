"""Plain shapes on a plain background: one, two, several of a kind, or one inside another."""

from painter.canvas import Canvas, Picture
from painter.colors import COLOR_NAMES
from painter.dice import Dice
from painter.pen import Pen
from painter.shapes import SHAPE_NAMES, SHAPE_WORDS, SHAPES
from painter.words import NUMBERS, background_phrase, color_word, finish, other_color, plural, with_article

#: how often each colour is the background, in the order of COLORS
_BACKGROUND_WEIGHTS = [1.2, 1, 1.2, 1.2, 1.6, 1, 1, 2, 1.5, 0.8, 0.6, 0.8]
#: how often each shape comes alone, in the order of SHAPES
_SHAPE_WEIGHTS = [4, 1.5, 3, 3, 3, 2, 1.5, 1, 1, 1, 1, 0.6]
_COMMON_SHAPES = SHAPE_NAMES[:8]
_SIZE_WORDS = {"big": ["big", "large"], "small": ["small", "tiny", "little"]}
_PLACE_WORDS = {
    "left": "on the left",
    "right": "on the right",
    "top": "at the top",
    "bottom": "at the bottom",
}


def plain_shapes(dice: Dice, size_px: int) -> tuple[Picture, list[str]]:
    """One of the four arrangements, and four captions."""
    canvas = Canvas(size_px)
    background = dice.pick(COLOR_NAMES, _BACKGROUND_WEIGHTS)
    canvas.fill(dice.color(background, 6))
    arrange = dice.pick([one, two, several, one_inside_another], [5, 2.6, 1.6, 0.8])
    return canvas.image, arrange(canvas, dice, background)


def one(canvas: Canvas, dice: Dice, background: str) -> list[str]:
    """One shape, perhaps big or small, perhaps at one side. Gives its captions."""
    shape = dice.pick(SHAPE_NAMES, _SHAPE_WEIGHTS)
    color = other_color(dice, background)
    size_word = dice.pick([None, "big", "small"], [4, 1, 1])
    # every size is rolled and one is kept: a seed's later choices must not depend on which
    sizes = {"big": dice.uniform(0.72, 0.9), "small": dice.uniform(0.14, 0.24), None: dice.uniform(0.38, 0.6)}
    size = sizes[size_word]
    place = dice.pick([None, *_PLACE_WORDS], [4, 1, 1, 0.6, 0.6]) if size < 0.62 else None
    x, y = 0.5 + dice.uniform(-0.04, 0.04), 0.5 + dice.uniform(-0.04, 0.04)
    if place:
        size = min(size, 0.44)
        aside = dice.uniform(0.22, 0.28) if place in ("left", "top") else dice.uniform(0.72, 0.78)
        x, y = (aside, y) if place in ("left", "right") else (x, aside)
    _paint(canvas, dice, shape, x, y, size, color)
    return [_caption_of_one(dice, shape, color, size_word, place, background) for _ in range(4)]


def two(canvas: Canvas, dice: Dice, background: str) -> list[str]:
    """Two shapes side by side or one above the other. Gives their captions."""
    color_1 = other_color(dice, background)
    color_2 = other_color(dice, background, color_1) if dice.chance(0.9) else color_1
    shape_1, shape_2 = dice.pick(_COMMON_SHAPES), dice.pick(_COMMON_SHAPES)
    stacked = dice.chance(0.35)
    size_1, size_2 = dice.uniform(0.3, 0.42), dice.uniform(0.3, 0.42)
    at_1, at_2 = dice.uniform(0.45, 0.55), dice.uniform(0.45, 0.55)
    _paint(canvas, dice, shape_1, *((at_1, 0.26) if stacked else (0.26, at_1)), size_1, color_1)
    _paint(canvas, dice, shape_2, *((at_2, 0.74) if stacked else (0.74, at_2)), size_2, color_2)
    captions = []
    for _ in range(4):
        first = with_article(_words(dice, color_1, shape_1))
        second = with_article(_words(dice, color_2, shape_2))
        tell = _tell_stacked if stacked else _tell_beside
        captions.append(_end(dice, tell(dice, first, second), background, 0.88))
    return captions


def several(canvas: Canvas, dice: Dice, background: str) -> list[str]:
    """Two to four of one shape. Gives their captions."""
    count = dice.integer(2, 4)
    color = other_color(dice, background)
    shape = dice.pick(_COMMON_SHAPES)
    size = dice.uniform(0.2, 0.27)
    for x, y in _spread(count):
        at = x + dice.uniform(-0.015, 0.015), y + dice.uniform(-0.02, 0.02)
        _paint(canvas, dice, shape, *at, size, color)
    captions = []
    for _ in range(4):
        caption = f"{NUMBERS[count]} {color_word(dice, color)} {plural(dice.pick(SHAPE_WORDS[shape]))}"
        captions.append(_end(dice, caption, background, 0.9))
    return captions


def one_inside_another(canvas: Canvas, dice: Dice, background: str) -> list[str]:
    """A small shape on a large one. Gives their captions."""
    outer_color = other_color(dice, background)
    inner_color = other_color(dice, background, outer_color)
    outer = dice.pick(["circle", "square", "hexagon"])
    inner = dice.pick(["circle", "star", "heart", "triangle", "square"])
    _paint(canvas, dice, outer, 0.5, 0.5, dice.uniform(0.68, 0.8), outer_color)
    _paint(canvas, dice, inner, 0.5, 0.5, dice.uniform(0.28, 0.36), inner_color)
    captions = []
    for _ in range(4):
        outer_words = with_article(_words(dice, outer_color, outer))
        inner_words = with_article(_words(dice, inner_color, inner))
        captions.append(_end(dice, f"{inner_words} inside {outer_words}", background, 0.85))
    return captions


def _paint(canvas: Canvas, dice: Dice, shape: str, x: float, y: float, size: float, color: str) -> None:
    SHAPES[shape](Pen(canvas, x, y, size), dice.color(color, 6))


def _words(dice: Dice, color: str, shape: str) -> str:
    return f"{color_word(dice, color)} {dice.pick(SHAPE_WORDS[shape])}"


def _end(dice: Dice, caption: str, background: str, probability: float) -> str:
    """The caption finished, with its background that often."""
    if dice.chance(probability):
        caption += " " + background_phrase(dice, background)
    return finish(dice, caption)


def _spread(count: int) -> list[tuple[float, float]]:
    """Where that many shapes stand: four in a square, fewer in a row."""
    if count == 4:
        return [(0.3, 0.3), (0.7, 0.3), (0.3, 0.7), (0.7, 0.7)]
    width, margin = (0.96, 0.02) if count == 3 else (0.8, 0.1)
    return [((i + 0.5) / count * width + margin, 0.5) for i in range(count)]


def _caption_of_one(
    dice: Dice, shape: str, color: str, size_word: str | None, place: str | None, background: str
) -> str:
    words = []
    if size_word and dice.chance(0.85):
        words.append(dice.pick(_SIZE_WORDS[size_word]))
    words.append(_words(dice, color, shape))
    caption = " ".join(words)
    caption = with_article(caption) if dice.chance(0.88) else caption
    if place and dice.chance(0.85):
        caption += " " + _PLACE_WORDS[place]
    elif not place and dice.chance(0.1):
        caption += " in the " + dice.pick(["center", "centre", "middle"])
    if dice.chance(0.9):
        caption += (" " if dice.chance(0.93) else ", ") + background_phrase(dice, background)
    return finish(dice, caption)


def _tell_stacked(dice: Dice, upper: str, lower: str) -> str:
    roll = dice.uniform()
    if roll < 0.4:
        return f"{upper} above {lower}"
    if roll < 0.65:
        return f"{lower} below {upper}"
    return f"{upper} and {lower}" if dice.chance(0.6) else f"{lower} and {upper}"


def _tell_beside(dice: Dice, left: str, right: str) -> str:
    roll = dice.uniform()
    if roll < 0.2:
        return f"{left} to the left of {right}"
    if roll < 0.4:
        return f"{right} to the right of {left}"
    if roll < 0.6:
        return f"{left} on the left and {right} on the right"
    return f"{left} next to {right}" if roll < 0.7 else f"{left} and {right}"
