"""A city: two rows of houses with windows, and a street."""

from painter.colors import Color, lit, mix, shade
from painter.scenes.view import View

WALLS: list[Color] = [(96, 110, 140), (130, 124, 140), (150, 112, 100), (84, 96, 116), (170, 160, 150)]
LAMPLIGHT: Color = (255, 222, 120)


def paint_city(view: View) -> None:
    """Skyline and street."""
    for row in range(2):
        _paint_row_of_houses(view, row)
    canvas, horizon = view.canvas, view.horizon
    street = lit((220, 226, 236) if view.is_winter else (112, 116, 124), view.tint)
    canvas.rect(-0.01, horizon, 1.01, 1.01, street)
    canvas.rect(-0.01, horizon, 1.01, horizon + 0.03, shade(street, 1.2))
    for i in range(5):
        canvas.rect(0.03 + i * 0.22, 0.93, 0.13 + i * 0.22, 0.945, shade(street, 1.5))
    view.feet = (horizon + 0.07, 0.92)


def _paint_row_of_houses(view: View, row: int) -> None:
    """The far row (0), hazy and without windows, or the near one (1)."""
    dice = view.dice
    air = view.stops[1] if view.is_night else view.haze
    x = -0.03
    while x < 1.02:
        width = dice.uniform(0.06, 0.13)
        height = dice.uniform(0.14, 0.46) * (1 - 0.28 * row)
        wall = mix(lit(dice.pick(WALLS), view.tint), air, 0.5 - 0.4 * row)
        view.canvas.rect(x, view.horizon - height, x + width, view.horizon + 0.02, wall)
        if row:
            _paint_windows(view, x, width, height, wall)
        x += width + dice.uniform(0, 0.015)


def _paint_windows(view: View, x: float, width: float, height: float, wall: Color) -> None:
    is_lit = view.time in ("night", "dusk", "sunset")
    color = LAMPLIGHT if is_lit else mix(wall, (220, 236, 246), 0.6)
    columns = max(2, int(width / 0.026))
    for column in range(columns):
        for storey in range(int((height - 0.02) / 0.035)):
            if view.dice.chance(0.5 if view.is_night else 0.75):
                cx = x + width * (column + 0.5) / columns
                cy = view.horizon - height + 0.03 + storey * 0.035
                view.canvas.rect(cx - 0.006, cy - 0.008, cx + 0.006, cy + 0.008, color)
