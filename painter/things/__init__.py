"""The twenty things the painter knows, each with its painter and the words a caption may use for it."""

from collections.abc import Callable
from dataclasses import dataclass

from painter.colors import Color
from painter.dice import Dice
from painter.light import Light
from painter.pen import Pen
from painter.things import buildings, movers, plants, sky

ThingPainter = Callable[[Pen, Dice, Color, Light], None]


@dataclass(frozen=True)
class Thing:
    """One kind of thing."""

    paint: ThingPainter
    words: list[str]  #: what a caption may call it; a word given twice is twice as likely
    stands: bool = True  #: the pen is at its foot; otherwise at its middle


THINGS: dict[str, Thing] = {
    "balloon": Thing(movers.balloon, ["balloon", "hot air balloon", "balloon"], stands=False),
    "house": Thing(buildings.house, ["house", "house", "cottage", "cabin", "home"]),
    "boat": Thing(movers.boat, ["boat", "sailboat", "sailing boat", "ship"]),
    "lighthouse": Thing(buildings.lighthouse, ["lighthouse"]),
    "castle": Thing(buildings.castle, ["castle"]),
    "windmill": Thing(buildings.windmill, ["windmill"]),
    "tent": Thing(buildings.tent, ["tent"]),
    "pine": Thing(plants.pine, ["pine tree", "pine", "fir tree"]),
    "tree": Thing(plants.tree, ["tree"]),
    "palm": Thing(plants.palm, ["palm tree", "palm"]),
    "cactus": Thing(plants.cactus, ["cactus"]),
    "cat": Thing(movers.cat, ["cat", "cat", "kitten"]),
    "car": Thing(movers.car, ["car"]),
    "fish": Thing(movers.fish, ["fish"], stands=False),
    "flower": Thing(plants.flower, ["flower"]),
    "mushroom": Thing(plants.mushroom, ["mushroom"]),
    "rocket": Thing(movers.rocket, ["rocket", "spaceship"], stands=False),
    "cloud": Thing(sky.cloud, ["cloud"], stands=False),
    "sun": Thing(sky.sun, ["sun"], stands=False),
    "crescent": Thing(sky.moon, ["moon", "crescent moon"], stands=False),
}

#: a thing's colour when the caption names none
DEFAULT_COLOR = {"pine": "green", "tree": "green", "palm": "green", "cactus": "green"}
