"""What the painter paints: landscapes, plain shapes, single things and patterns, each with four captions."""

from collections.abc import Callable

from painter.canvas import Picture
from painter.dice import Dice
from painter.scenes.icon import icon
from painter.scenes.landscape import landscape
from painter.scenes.pattern import pattern
from painter.scenes.plain import plain_shapes

Scene = Callable[[Dice, int], tuple[Picture, list[str]]]

CAPTIONS_PER_PICTURE = 4
#: each kind of scene and how many pictures in a hundred are of it
SCENES: list[tuple[Scene, float]] = [(landscape, 64), (plain_shapes, 20), (icon, 12), (pattern, 4)]


def paint(seed: int, size_px: int = 512) -> tuple[Picture, list[str]]:
    """The picture of a seed (RGB, uint8, size_px square) and its captions. One seed, one picture."""
    dice = Dice(seed)
    scene = dice.pick([scene for scene, _ in SCENES], [share for _, share in SCENES])
    return scene(dice, size_px)
