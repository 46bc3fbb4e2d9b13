"""Grounds: water, desert, grass, forest, snow. Each says where things stand (`view.feet`, `view.water`)."""

import numpy as np

from painter.colors import COLORS, WHITE, Color, lit, mix, shade
from painter.pen import Pen
from painter.scenes.city import paint_city
from painter.scenes.view import View
from painter.things.plants import pine

WATER: dict[str, Color] = {
    "dawn": (150, 170, 206),
    "noon": (42, 126, 196),
    "sunset": (150, 74, 110),
    "dusk": (62, 62, 116),
    "night": (16, 32, 74),
    "cloudy": (98, 122, 138),
}
SAND: list[Color] = [(236, 190, 112), (226, 168, 96), (240, 204, 140)]
GRASS: list[Color] = [(92, 168, 74), (76, 152, 84), (116, 178, 70), (64, 138, 76)]
AUTUMN_GRASS: list[Color] = [(206, 160, 64), (190, 132, 56), (168, 146, 66)]
FOREST_FLOOR: list[Color] = [(58, 118, 72), (70, 128, 66)]
FOREST: list[Color] = [(44, 104, 66), (38, 92, 62)]
AUTUMN_FOREST: list[Color] = [(206, 112, 40), (186, 76, 40), (214, 160, 56)]
SNOW: Color = (236, 240, 248)


def paint_ground(view: View) -> None:
    """Everything below the horizon."""
    if view.ground in ("sea", "lake", "beach"):
        water = _paint_water(view)
        if view.ground == "lake":
            _paint_lake_shores(view)
        elif view.ground == "beach":
            _paint_beach(view, water)
    elif view.ground == "desert":
        _paint_desert(view)
    elif view.ground == "city":
        paint_city(view)
    else:
        _paint_land(view)


def _paint_water(view: View) -> Color:
    """Water with its ripples and the light of sun or moon on it. Gives its colour."""
    dice, canvas, horizon = view.dice, view.canvas, view.horizon
    color = mix(WATER["noon"], view.stops[0], 0.4) if view.sky_color else WATER[view.time]
    color = dice.shifted(color, 8)
    canvas.vertical_gradient(horizon, 1, [mix(color, view.haze, 0.42), color, shade(color, 0.78)])
    if view.body and (view.time != "noon" or dice.chance(0.3)):
        for i in range(9):
            y = horizon + 0.015 + i * (1 - horizon) / 9.5
            w = (0.025 + 0.012 * i) * dice.uniform(0.5, 1.2)
            gleam = mix(color, view.body_color, 0.6 - 0.03 * i)
            canvas.rect(view.body_x - w, y, view.body_x + w, y + 0.008 + 0.001 * i, gleam)
    for _ in range(dice.integer(8, 16)):
        x, y = dice.uniform(), dice.uniform(horizon + 0.03, 0.99)
        w = dice.uniform(0.03, 0.09) * (0.5 + (y - horizon) * 1.6)
        canvas.line([(x - w, y), (x + w, y)], mix(color, WHITE, 0.22), 0.004 + 0.004 * (y - horizon))
    view.water = (horizon + 0.1, min(0.92, horizon + 0.26))
    return color


def _paint_lake_shores(view: View) -> None:
    dice, horizon = view.dice, view.horizon
    grass: Color = (
        (206, 216, 226) if view.is_winter else dice.pick([(72, 142, 78), (90, 152, 70), (56, 124, 84)])
    )
    if view.season == "autumn":
        grass = (190, 140, 60)
    grass = lit(grass, view.tint)
    _paint_hill(view, dice.uniform(0.86, 0.92), grass, 0.05)
    xs = np.linspace(-0.02, 1.02, 24)
    far_shore = horizon - 0.012 + 0.02 * np.sin(xs * 9 + dice.uniform(0, 6))
    top = np.stack([xs, far_shore - 0.012], 1)
    bottom = np.stack([xs[::-1], np.full(24, horizon + 0.012)], 1)
    view.canvas.polygon(np.concatenate([top, bottom]), shade(grass, 0.72))
    view.feet = (0.9, 0.95)


def _paint_beach(view: View, water: Color) -> None:
    dice = view.dice
    sand = lit((240, 214, 160), view.tint)
    edge = dice.uniform(0.78, 0.85)
    xs = np.linspace(-0.02, 1.02, 24)
    ys = edge + 0.025 * np.sin(xs * 5 + dice.uniform(0, 6))
    foam = mix(sand, water, 0.3) if view.is_night else mix(sand, WHITE, 0.6)
    view.canvas.below(xs, ys - 0.018, foam)
    view.canvas.below(xs, ys, sand)
    view.feet = (edge + 0.06, 0.95)
    view.water = (view.horizon + 0.05, edge - 0.06)


def _paint_desert(view: View) -> None:
    dice = view.dice
    sand = lit(dice.shifted(dice.pick(SAND), 8), view.tint)
    view.canvas.rect(-0.01, view.horizon, 1.01, 1.01, mix(sand, view.haze, 0.3))
    for i in range(3):
        dune = mix(shade(sand, 1.02 - 0.07 * i), view.haze, 0.2 - 0.1 * i)
        _paint_hill(view, view.horizon + 0.03 + 0.12 * i, dune, 0.09)
    view.feet = (view.horizon + 0.2, 0.93)


def _paint_land(view: View) -> None:
    """Meadow, hills, forest or snow: waves of one colour, with trees or flowers on them."""
    is_hilly = view.ground == "hills"
    color = _land_color(view)
    view.canvas.rect(-0.01, view.horizon, 1.01, 1.01, mix(color, view.haze, 0.3))
    waves = 4 if is_hilly else 3
    first = -0.02 if is_hilly else 0.02
    for i in range(waves):
        wave = mix(shade(color, 1.0 - 0.075 * i), view.haze, max(0, 0.26 - 0.1 * i))
        _paint_hill(view, view.horizon + first + 0.3 / waves * i, wave, 0.13 if is_hilly else 0.05)
        if view.ground == "forest" and i < 2:
            _paint_row_of_pines(view, i)
    if view.ground == "forest":
        _paint_near_pines(view)
    _paint_flowers(view)
    view.feet = (view.horizon + 0.17, 0.93)


def _land_color(view: View) -> Color:
    """The ground's colour in its light."""
    dice = view.dice
    color = dice.pick(GRASS)
    if view.ground == "forest":
        color = dice.pick(FOREST_FLOOR)
    if view.season == "autumn":
        color = dice.pick(AUTUMN_GRASS)
    if view.is_winter:
        color = SNOW
    return lit(dice.shifted(color, 7), view.tint)


def _paint_row_of_pines(view: View, row: int) -> None:
    dice = view.dice
    colors = AUTUMN_FOREST if view.season == "autumn" else FOREST
    count = dice.integer(8, 13)
    for i in range(count):
        x = (i + dice.uniform(0.1, 0.9)) / count
        y = view.horizon + 0.06 + 0.1 * row + dice.uniform(-0.015, 0.015)
        size = dice.uniform(0.14, 0.2) * (1 + 0.35 * row)
        color = mix(lit(dice.pick(colors), view.tint), view.haze, 0.22 - 0.15 * row)
        pine(Pen(view.canvas, x, y, size), dice, color, view.light)


def _paint_near_pines(view: View) -> None:
    dice = view.dice
    color = lit((190, 92, 40) if view.season == "autumn" else (34, 88, 58), view.tint)
    for side in (0, 1):
        if dice.chance(0.7):
            x = side + dice.uniform(-0.04, 0.12) * (1 - 2 * side)
            pen = Pen(view.canvas, x, dice.uniform(0.9, 1.0), dice.uniform(0.4, 0.6))
            pine(pen, dice, color, view.light)


def _paint_flowers(view: View) -> None:
    dice = view.dice
    blooms = view.ground == "meadow" and not view.is_winter and dice.chance(0.55)
    if not (blooms or view.season == "spring") or view.is_winter:
        return
    view.flowers = dice.pick(["red", "yellow", "white", "pink", "purple", "orange", "mixed"])
    for _ in range(dice.integer(30, 60)):
        x, y = dice.uniform(), dice.uniform(view.horizon + 0.1, 1)
        name = view.flowers
        if name == "mixed":
            name = dice.pick(["red", "yellow", "white", "pink", "purple"])
        view.canvas.disc(x, y, 0.004 + 0.014 * (y - view.horizon), lit(COLORS[name], view.tint), corners=10)


def _paint_hill(view: View, y: float, color: Color, height: float) -> None:
    """A wavy line across the picture and everything below it."""
    dice = view.dice
    xs = np.linspace(-0.02, 1.02, 24)
    size = height * dice.uniform(0.6, 1.1)
    frequency, phase = dice.uniform(0.6, 1.5), dice.uniform(0, 6.3)
    fine_frequency, fine_phase = dice.uniform(1.6, 2.8), dice.uniform(0, 6.3)
    wave = np.sin(xs * 6.28 * frequency + phase) * 0.5
    fine_wave = np.sin(xs * 6.28 * fine_frequency + fine_phase)
    view.canvas.below(xs, y + size * wave + size * 0.3 * fine_wave, color)
