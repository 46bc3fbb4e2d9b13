"""What stands, floats, flies and falls in a landscape."""

from dataclasses import replace

from painter.colors import lit, mix, shade
from painter.dice import Dice
from painter.pen import Pen
from painter.scenes.view import PLACES, Seen, View
from painter.things import DEFAULT_COLOR, THINGS

#: what stands on each ground, and how often
ON_GROUND: dict[str, list[tuple[str, float]]] = {
    "sea": [("boat", 6), ("lighthouse", 2)],
    "lake": [("boat", 4), ("house", 1.5), ("pine", 1.5), ("tent", 0.7), ("tree", 1)],
    "desert": [("cactus", 4), ("tent", 1.5), ("car", 1.5), ("palm", 1), ("castle", 0.7)],
    "meadow": [
        ("house", 3),
        ("tree", 3),
        ("windmill", 2),
        ("castle", 1),
        ("tent", 1),
        ("cat", 1.5),
        ("flower", 1.5),
        ("car", 1),
        ("mushroom", 1),
    ],
    "forest": [("house", 2.5), ("tent", 2), ("mushroom", 1.5), ("cat", 1)],
    "snow": [("house", 3), ("pine", 3), ("tent", 1), ("castle", 1), ("cat", 0.8)],
    "beach": [("palm", 4), ("boat", 2), ("lighthouse", 2), ("cat", 0.7), ("house", 0.8), ("tent", 0.8)],
    "hills": [("house", 3), ("tree", 2.5), ("windmill", 2), ("castle", 1.5), ("tent", 0.8), ("car", 0.8)],
    "city": [("car", 3), ("tree", 1.5), ("cat", 1)],
}
#: smallest and largest size of each thing, in picture units
SIZES: dict[str, tuple[float, float]] = {
    "balloon": (0.24, 0.38),
    "house": (0.17, 0.27),
    "boat": (0.18, 0.32),
    "lighthouse": (0.3, 0.44),
    "castle": (0.26, 0.38),
    "windmill": (0.28, 0.4),
    "tent": (0.15, 0.24),
    "pine": (0.24, 0.38),
    "tree": (0.26, 0.4),
    "palm": (0.32, 0.46),
    "cactus": (0.2, 0.32),
    "cat": (0.2, 0.32),
    "car": (0.13, 0.19),
    "flower": (0.16, 0.26),
    "mushroom": (0.16, 0.26),
    "rocket": (0.24, 0.36),
}
_COMES_IN_GROUPS = ("boat", "tree", "pine", "house", "cactus", "palm", "flower", "mushroom")
_COLORS = [
    "red", "blue", "yellow", "white", "orange", "green", "purple", "pink", "black", "brown", "teal", "gray",
]  # fmt: skip
_COLOR_WEIGHTS = [5, 4, 4, 3.5, 3, 3, 2.5, 2.5, 1.5, 1.2, 1.5, 1.2]
_ROOFS, _ROOF_WEIGHTS = ["red", "brown", "black", "blue", "green", "orange"], [4, 2, 1, 1.5, 1, 1]
_LEAST_GAP = 0.14  # between the middles of two things on the ground


def paint_things(view: View) -> None:
    """None, one or two kinds of thing on the ground or the water, some in groups."""
    dice = view.dice
    kinds, weights = zip(*ON_GROUND[view.ground], strict=True)
    taken: list[float] = []
    for _ in range(dice.pick([0, 1, 2], [1.2, 3, 1.3])):
        kind = dice.pick(kinds, weights)
        if any(thing.kind == kind for thing in view.things):
            continue
        count = dice.integer(2, 3) if kind in _COMES_IN_GROUPS and dice.chance(0.25) else 1
        color, is_named = _color_of(view, kind)
        roof = dice.pick(_ROOFS, _ROOF_WEIGHTS)
        size_word, sizes = _sizes(dice, kind, 0.16, big=(1.2, 1.5), small=(0.5, 0.68))
        thing = Seen(kind, color, is_named, count, "", size_word, roof)
        _paint_group(view, thing, color, sizes, taken)
        if thing.count:
            view.things.append(thing)


def _color_of(view: View, kind: str) -> tuple[str, bool]:
    """A thing's colour, and whether captions may name it: green trees and plain houses mostly go unnamed."""
    dice = view.dice
    color, is_named = dice.pick(_COLORS, _COLOR_WEIGHTS), True
    if kind in DEFAULT_COLOR:
        if dice.chance(0.75):
            color, is_named = DEFAULT_COLOR[kind], False
        elif kind == "tree":
            color = dice.pick(["pink", "orange", "red", "yellow", "white", "purple"])
        else:
            color = DEFAULT_COLOR[kind]
        if view.season == "autumn" and kind == "tree":
            color, is_named = dice.pick(["orange", "red", "yellow"]), True
        if view.season == "spring" and kind == "tree" and dice.chance(0.6):
            color, is_named = "pink", True
    elif kind == "house" and dice.chance(0.3):
        color, is_named = dice.pick(["white", "brown", "yellow"]), False
    return color, is_named


def _sizes(
    dice: Dice, kind: str, probability: float, big: tuple[float, float], small: tuple[float, float]
) -> tuple[str | None, tuple[float, float]]:
    """big, small or None, and the sizes that go with it; `big` and `small` are shares of the usual ones."""
    low, high = SIZES[kind]
    if not dice.chance(probability):
        return None, (low, high)
    if dice.pick(["big", "small"]) == "big":
        return "big", (high * big[0], high * big[1])
    return "small", (low * small[0], low * small[1])


def _paint_group(view: View, thing: Seen, color: str, sizes: tuple[float, float], taken: list[float]) -> None:
    """As many of the thing as there is room for, up to its count; says in it how many and where."""
    dice, asked = view.dice, thing.count
    for already in range(asked):
        place, x = _find_place(dice, taken)
        if place is None:
            thing.count = already
            return
        thing.place = place
        size = dice.uniform(*sizes) * (1 if asked == 1 else 0.85)
        floats = thing.kind == "boat" or (thing.kind == "lighthouse" and view.ground == "sea")
        y = dice.uniform(*(view.water if floats and view.water else view.feet))
        if view.ground == "forest":
            y = dice.uniform(0.86, 0.94)
        light = replace(view.light, rock=thing.kind == "lighthouse", roof=dice.color(thing.roof))
        if thing.kind == "boat":
            view.canvas.ellipse(x, y + 0.004, size * 0.42, 0.01, shade(view.canvas.color_at(x, y), 0.8))
        in_the_light = lit(dice.color(color), view.tint)
        THINGS[thing.kind].paint(Pen(view.canvas, x, y, size), dice, in_the_light, light)


def _find_place(dice: Dice, taken: list[float]) -> tuple[str | None, float]:
    """A place not too near to those taken, which it joins; None after eight tries."""
    for _ in range(8):
        place = dice.pick(list(PLACES))
        x = dice.uniform(*PLACES[place])
        if all(abs(x - other) > _LEAST_GAP for other in taken):
            taken.append(x)
            return place, x
    return None, 0.0


def paint_flyers(view: View) -> None:
    """Often nothing; else up to three balloons, or a rocket. Captions tell them first."""
    dice = view.dice
    if not dice.chance(0.36):
        return
    kind = dice.pick(["balloon", "rocket"], [8, 1])
    count = dice.pick([1, 2, 3], [6, 2, 1.2]) if kind == "balloon" else 1
    color = dice.pick(_COLORS, _COLOR_WEIGHTS)
    colors = [color] * count
    is_colorful = count > 1 and dice.chance(0.35)
    if is_colorful:
        colors = [dice.pick(_COLORS, _COLOR_WEIGHTS) for _ in range(count)]
    size_word, sizes = _sizes(dice, kind, 0.2, big=(1.15, 1.45), small=(0.5, 0.7))
    places = dice.shuffled(PLACES)[:count]
    for place, name in zip(places, colors, strict=True):
        size = dice.uniform(*sizes) * (1 if count == 1 else 0.82)
        y = dice.uniform(0.2, max(0.24, view.horizon - 0.22))
        pen = Pen(view.canvas, dice.uniform(*PLACES[place]), max(y, size * 0.52), size)
        in_the_air = lit(dice.color(name), mix(view.tint, (1, 1, 1), 0.5))
        THINGS[kind].paint(pen, dice, in_the_air, view.light)
    named = None if is_colorful else color
    flyer = Seen(kind, named, not is_colorful, count, places[-1], size_word, is_colorful=is_colorful)
    view.things.insert(0, flyer)


def paint_birds(view: View) -> None:
    """Sometimes a few birds, by day."""
    dice = view.dice
    if not dice.chance(0.17) or view.is_night:
        return
    view.birds = dice.integer(2, 6)
    middle_x, middle_y = dice.uniform(0.2, 0.7), dice.uniform(0.12, view.horizon * 0.6)
    for _ in range(view.birds):
        x, y = middle_x + dice.uniform(-0.14, 0.2), middle_y + dice.uniform(-0.08, 0.08)
        pen = Pen(view.canvas, x, y, dice.uniform(0.014, 0.026))
        wings = [(-1, -0.5), (-0.45, -0.75), (0, 0), (0.45, -0.75), (1, -0.5)]
        pen.line(wings, (40, 40, 52), least=0.006)


def paint_snowfall(view: View) -> None:
    """In winter it may snow."""
    dice = view.dice
    view.is_snowing = view.is_winter and dice.chance(0.45)
    if not view.is_snowing:
        return
    for _ in range(dice.integer(50, 90)):
        radius = dice.uniform(0.002, 0.006)
        view.canvas.disc(dice.uniform(), dice.uniform(), radius, (252, 252, 255), corners=8)
