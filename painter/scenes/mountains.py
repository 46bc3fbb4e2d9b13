"""Mountains on the horizon."""

import numpy as np
from numpy.typing import NDArray

from painter.colors import Color, lit, mix, shade
from painter.dice import Dice
from painter.scenes.view import View

_COLORS = [
    "blue", "purple", "gray", "green", "red", "brown", "pink", "teal", "orange", "white", "black", "yellow",
]  # fmt: skip
_COLOR_WEIGHTS = [6, 5, 5, 3, 2.5, 3, 2, 2, 2, 1, 1, 1]
#: how often mountains stand behind each ground
_PROBABILITY = {
    "sea": 0.35,
    "lake": 0.75,
    "desert": 0.3,
    "meadow": 0.5,
    "forest": 0.6,
    "snow": 0.6,
    "beach": 0.25,
    "hills": 0.45,
    "city": 0.25,
}


def paint_mountains(view: View) -> None:
    """A far range and a few peaks before it, perhaps snowy; or nothing."""
    dice = view.dice
    if not dice.chance(_PROBABILITY[view.ground]):
        return
    view.mountains = dice.pick(_COLORS, _COLOR_WEIGHTS)
    view.has_snowy_peaks = dice.chance(0.75 if view.is_winter else 0.33)
    size = dice.uniform(0.22, 0.46)
    foot = view.horizon + 0.01
    color = dice.color(view.mountains)
    count = dice.integer(2, 4) if size < 0.4 else dice.integer(1, 2)
    _paint_far_range(view, foot, size, color)
    peaks = []
    for i in range(count):
        x = (i + 0.5 + dice.uniform(-0.3, 0.3)) / count
        peaks.append((dice.uniform(0.6, 1.0) * size, x))
    for height, x in sorted(peaks):
        _paint_peak(view, x, foot, height, mix(lit(color, view.tint), view.haze, 0.12))


def _paint_far_range(view: View, foot: float, size: float, color: Color) -> None:
    heights = ridge(view.dice, 4, size * 0.45, 0.55)
    xs = np.linspace(-0.02, 1.02, len(heights))
    far_color = mix(lit(shade(color, 1.04), view.tint), view.haze, 0.5)
    view.canvas.below(xs, foot - size * 0.3 - heights, far_color, bottom=foot + 0.02)


def _paint_peak(view: View, x: float, foot: float, height: float, color: Color) -> None:
    dice, canvas = view.dice, view.canvas
    w = height * dice.uniform(0.85, 1.25)
    top, base = foot - height, foot + 0.02
    canvas.polygon([(x - w, base), (x, top), (x + w, base)], color)
    shift = dice.uniform(-0.08, 0.08) * w
    shaded_side = [
        (x, top),
        (x + w, base),
        (x + w * 0.18 + shift, base),
        (x - w * 0.05, foot - height * 0.3),
        (x + w * 0.13, foot - height * 0.5),
        (x - w * 0.02, foot - height * 0.7),
    ]
    canvas.polygon(shaded_side, shade(color, 0.78))
    if view.has_snowy_peaks:
        _paint_snow_cap(view, x, top, height, w)


def _paint_snow_cap(view: View, x: float, top: float, height: float, mountain_w: float) -> None:
    share = view.dice.uniform(0.26, 0.36)
    w, y, z = mountain_w * share, top + height * share, height * 0.07
    snow = mix(lit((250, 251, 255), view.tint), view.haze, 0.06)
    right = [(x, top), (x + w, y), (x + w * 0.5, y - z)]
    view.canvas.polygon([*right, (x + w * 0.1, y + z), (x - w * 0.35, y - z * 0.8), (x - w, y)], snow)
    shaded_side = [*right, (x + w * 0.18, y + z * 0.7), (x - w * 0.02, top + height * share * 0.5)]
    view.canvas.polygon(shaded_side, shade(snow, 0.86))


def ridge(dice: Dice, halvings: int, height: float, roughness: float) -> NDArray[np.float64]:
    """A jagged line from 0 to `height`, 2 ** halvings + 1 points long."""
    line = np.array([dice.uniform(), dice.uniform()])
    spread = 1.0
    for _ in range(halvings):
        between = (line[:-1] + line[1:]) / 2 + dice.generator.uniform(-spread, spread, len(line) - 1) * 0.5
        finer = np.empty(len(line) + len(between))
        finer[::2], finer[1::2] = line, between
        line = finer
        spread *= roughness
    line = (line - line.min()) / max(1e-6, line.max() - line.min()) * height
    return np.asarray(line, np.float64)
