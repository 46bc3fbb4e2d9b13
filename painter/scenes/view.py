"""What a landscape shows, filled in while it is painted: the captions are told from it."""

from dataclasses import dataclass, field

from painter.canvas import Canvas
from painter.colors import Color
from painter.dice import Dice
from painter.light import Light

PLACES = {"left": (0.15, 0.29), "middle": (0.43, 0.57), "right": (0.71, 0.85)}

#: how things are coloured by the light of each time of day
TINTS: dict[str, Color] = {
    "dawn": (1.0, 0.93, 0.94),
    "noon": (1.0, 1.0, 1.0),
    "sunset": (0.95, 0.80, 0.78),
    "dusk": (0.72, 0.66, 0.80),
    "night": (0.50, 0.54, 0.74),
    "cloudy": (0.86, 0.88, 0.9),
}


@dataclass
class Seen:
    """One kind of thing in a landscape."""

    kind: str
    color: str | None  #: its colour name; None for several of different colours
    is_named: bool  #: captions may say the colour
    count: int
    place: str  #: left, middle or right
    size_word: str | None = None  #: big, small or neither
    roof: str = "red"  #: colour name, of houses
    is_colorful: bool = False  #: several of different colours


@dataclass
class View:
    """A landscape. The first part is decided first; the rest is added as it is painted."""

    canvas: Canvas
    dice: Dice
    time: str  #: dawn, noon, sunset, dusk, night or cloudy
    ground: str
    season: str | None = None
    is_winter: bool = False
    sky_color: str | None = None  #: an unusual sky's colour name

    stops: list[Color] = field(default_factory=list)  #: the sky's colours from the top to the horizon
    horizon: float = 0.6
    feet: tuple[float, float] = (0.78, 0.93)  #: how far down things on land stand
    water: tuple[float, float] | None = None  #: how far down things on water float

    body: str | None = None  #: sun, full moon or crescent moon
    body_place: str = "middle"
    body_x: float = 0.5
    body_color: Color = (0, 0, 0)
    has_rainbow: bool = False
    clouds: int = 0
    mountains: str | None = None  #: their colour name
    has_snowy_peaks: bool = False
    flowers: str | None = None  #: their colour name, or mixed
    things: list[Seen] = field(default_factory=list)
    birds: int = 0
    is_snowing: bool = False

    @property
    def tint(self) -> Color:
        return TINTS[self.time]

    @property
    def is_night(self) -> bool:
        return self.time == "night"

    @property
    def haze(self) -> Color:
        """The colour far things fade into: the sky's at the horizon."""
        return self.stops[-1]

    @property
    def light(self) -> Light:
        return Light(tint=self.tint, night=self.is_night, snowy=self.is_winter)
