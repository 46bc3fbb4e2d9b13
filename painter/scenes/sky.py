"""Skies: their colours, stars, sun or moon, rainbow and clouds."""

import math

import numpy as np

from painter.colors import WHITE, Color, mix, shade
from painter.light import DAYLIGHT
from painter.pen import Pen
from painter.scenes.view import PLACES, View
from painter.things.sky import cloud, moon

#: colours from the top to the horizon; one of a time's skies is picked
SKIES: dict[str, list[tuple[Color, Color, Color]]] = {
    "dawn": [
        ((98, 118, 186), (238, 178, 190), (255, 226, 186)),
        ((128, 146, 206), (248, 200, 196), (255, 236, 206)),
    ],
    "noon": [
        ((62, 142, 226), (132, 194, 244), (208, 236, 252)),
        ((84, 160, 236), (150, 208, 246), (224, 242, 252)),
    ],
    "sunset": [
        ((84, 46, 116), (226, 90, 84), (255, 188, 88)),
        ((120, 54, 106), (240, 118, 66), (255, 208, 108)),
        ((66, 62, 130), (232, 110, 110), (255, 196, 120)),
    ],
    "dusk": [
        ((34, 36, 84), (112, 72, 130), (226, 140, 130)),
        ((30, 44, 92), (88, 80, 142), (190, 130, 150)),
    ],
    "night": [
        ((8, 12, 36), (20, 28, 66), (44, 58, 112)),
        ((6, 10, 28), (16, 26, 56), (36, 62, 100)),
    ],
    "cloudy": [((112, 124, 138), (156, 166, 176), (204, 208, 210))],
}
CLOUDS: dict[str, Color] = {
    "noon": (255, 255, 255),
    "dawn": (255, 232, 226),
    "sunset": (255, 176, 140),
    "dusk": (150, 110, 150),
    "night": (60, 72, 116),
    "cloudy": (176, 182, 188),
}
UNUSUAL = ["pink", "purple", "orange", "teal", "yellow", "green", "red", "white"]
RAINBOW: list[Color] = [
    (230, 60, 60),
    (245, 150, 50),
    (250, 220, 80),
    (80, 180, 90),
    (60, 120, 220),
    (130, 80, 180),
]


def paint_sky(view: View) -> None:
    """The sky down to the horizon, now and then in an unusual colour."""
    dice = view.dice
    stops = dice.pick(SKIES[view.time])
    if dice.chance(0.09) and view.time in ("noon", "dawn", "cloudy"):
        view.sky_color = dice.pick(UNUSUAL)
        color = dice.color(view.sky_color)
        stops = (shade(color, 0.9), mix(color, WHITE, 0.25), mix(color, WHITE, 0.55))
        view.time = "noon"
    shift = dice.jitter(8)
    view.stops = [tuple(np.clip(np.add(stop, shift), 0, 255)) for stop in stops]
    view.horizon = dice.uniform(0.54, 0.70)
    if view.ground == "city":
        view.horizon = dice.uniform(0.74, 0.82)
    view.canvas.vertical_gradient(0, view.horizon + 0.02, view.stops)


def paint_stars(view: View) -> None:
    """Stars at night and on some evenings."""
    dice = view.dice
    if not (view.is_night or (view.time == "dusk" and dice.chance(0.4))):
        return
    for _ in range(dice.integer(24, 60)):
        x, y = dice.uniform(), dice.uniform(0, view.horizon * 0.92)
        radius = dice.uniform(0.0016, 0.0042)
        color = mix(view.stops[0], (255, 252, 230), dice.uniform(0.6, 1))
        view.canvas.disc(x, y, radius, color, corners=8)


def paint_sun_or_moon(view: View) -> None:
    """The sun or the moon with its glow, where the time of day allows one."""
    view.body = _sun_or_moon(view)
    if view.body is None:
        return
    view.body_place = view.dice.pick(list(PLACES))
    view.body_x = view.dice.uniform(*PLACES[view.body_place])
    if view.body == "sun":
        _paint_sun(view)
    else:
        _paint_moon(view)


def _sun_or_moon(view: View) -> str | None:
    dice = view.dice
    if view.is_night:
        return dice.pick(["full moon", "crescent moon"], [1.5, 1]) if dice.chance(0.72) else None
    if view.time in ("dawn", "sunset"):
        return "sun" if dice.chance(0.75) else None
    if view.time == "noon":
        return "sun" if dice.chance(0.25 if view.sky_color else 0.55) else None
    return None


def _paint_sun(view: View) -> None:
    dice, is_noon = view.dice, view.time == "noon"
    radius = dice.uniform(0.055, 0.09) if is_noon else dice.uniform(0.075, 0.14)
    y = dice.uniform(0.1, 0.2) if is_noon else view.horizon - radius * dice.uniform(0.1, 1.3) - 0.02
    view.body_color = (255, 222, 90) if is_noon else (255, 214, 120)
    if view.time == "sunset":
        view.body_color = dice.pick([(255, 226, 130), (255, 120, 60), (255, 180, 80)])
    view.canvas.glow(view.body_x, y, radius * 3.2, mix(view.body_color, WHITE, 0.3), 0.55)
    view.canvas.disc(view.body_x, y, radius, view.body_color, corners=56)


def _paint_moon(view: View) -> None:
    dice, canvas, x = view.dice, view.canvas, view.body_x
    radius = dice.uniform(0.055, 0.095)
    y = dice.uniform(0.12, 0.28)
    view.body_color = (244, 240, 214)
    canvas.glow(x, y, radius * 2.8, (180, 190, 230), 0.4)
    if view.body == "crescent moon":
        moon(Pen(canvas, x, y, radius * 2.1), dice, view.body_color, DAYLIGHT)
        return
    canvas.disc(x, y, radius, view.body_color, corners=56)
    for dx, dy, share in ((-0.3, -0.2, 0.2), (0.3, 0.25, 0.26), (0.1, -0.45, 0.13)):
        canvas.disc(x + dx * radius, y + dy * radius, radius * share, shade(view.body_color, 0.9))


def paint_rainbow(view: View) -> None:
    """Rarely, and not at night, a rainbow on the horizon."""
    dice = view.dice
    view.has_rainbow = dice.chance(0.05) and view.time in ("noon", "cloudy", "dawn")
    if not view.has_rainbow:
        return
    x = dice.uniform(0.35, 0.65)
    outer = dice.uniform(0.34, 0.46)
    t = np.linspace(math.pi, 2 * math.pi, 50)
    for i, color in enumerate(RAINBOW):
        radius = outer - i * 0.017
        arc = np.stack([x + radius * np.cos(t), view.horizon + 0.02 + radius * np.sin(t)], 1)
        view.canvas.line(arc, mix(color, view.stops[1], 0.2), 0.018)


def paint_clouds(view: View) -> None:
    """Up to six clouds."""
    dice = view.dice
    if view.time == "cloudy":
        view.clouds = dice.integer(3, 6)
    elif dice.chance(0.42):
        view.clouds = dice.integer(1, 4)
    for _ in range(view.clouds):
        y = dice.uniform(0.07, view.horizon * 0.55)
        pen = Pen(view.canvas, dice.uniform(0.05, 0.95), y, dice.uniform(0.13, 0.28))
        cloud(pen, dice, mix(CLOUDS[view.time], view.stops[1], dice.uniform(0.0, 0.25)), DAYLIGHT)
