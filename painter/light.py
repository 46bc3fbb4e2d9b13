"""What a drawn thing must know of its scene: the light, and a few extras of single things."""

from dataclasses import dataclass

from painter.colors import Color


@dataclass(frozen=True)
class Light:
    """How a thing is lit; the defaults are plain daylight."""

    tint: Color = (1, 1, 1)  #: colour of the light, 1 is full
    night: bool = False  #: windows and lamps are on
    snowy: bool = False  #: snow lies on trees
    rock: bool = False  #: a lighthouse stands on a rock
    roof: Color | None = None  #: a house's roof, before the light


DAYLIGHT = Light()
