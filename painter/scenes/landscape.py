"""Landscapes: nine kinds of ground under six kinds of sky, with things on the ground and in the air."""

from painter.canvas import Canvas, Picture
from painter.dice import Dice
from painter.scenes.ground import paint_ground
from painter.scenes.landscape_captions import landscape_captions
from painter.scenes.landscape_things import paint_birds, paint_flyers, paint_snowfall, paint_things
from painter.scenes.mountains import paint_mountains
from painter.scenes.sky import paint_clouds, paint_rainbow, paint_sky, paint_stars, paint_sun_or_moon
from painter.scenes.view import View

_TIMES = ["dawn", "noon", "sunset", "dusk", "night", "cloudy"]
_TIME_WEIGHTS = [1.3, 3, 3, 1, 2.6, 0.8]
_GROUNDS = ["sea", "lake", "desert", "meadow", "forest", "snow", "beach", "hills", "city"]
_GROUND_WEIGHTS = [2.2, 1.2, 1.7, 2, 1.3, 1.5, 1.2, 1.5, 1.1]
_GROUNDS_WITH_SEASONS = ("meadow", "hills", "forest", "lake", "city")


def landscape(dice: Dice, size_px: int) -> tuple[Picture, list[str]]:
    """A landscape, painted from far to near, and four captions."""
    view = decide(Canvas(size_px), dice)
    paint_sky(view)
    paint_stars(view)
    paint_sun_or_moon(view)
    paint_rainbow(view)
    paint_clouds(view)
    paint_mountains(view)
    paint_ground(view)
    paint_things(view)
    paint_flyers(view)
    paint_birds(view)
    paint_snowfall(view)
    return view.canvas.image, landscape_captions(view)


def decide(canvas: Canvas, dice: Dice) -> View:
    """Time of day, ground and season of a landscape, nothing painted yet."""
    view = View(canvas, dice, dice.pick(_TIMES, _TIME_WEIGHTS), dice.pick(_GROUNDS, _GROUND_WEIGHTS))
    if view.ground in _GROUNDS_WITH_SEASONS and dice.chance(0.3):
        view.season = dice.pick(["autumn", "spring", "winter", "summer"], [2, 1.5, 1, 0.8])
    view.is_winter = view.ground == "snow" or view.season == "winter"
    return view
