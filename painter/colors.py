"""The twelve colours that captions name, and small sums on colours."""

from collections.abc import Sequence

Color = tuple[float, float, float]  # red, green, blue, each 0 to 255

COLORS: dict[str, Color] = {
    "red": (214, 45, 48),
    "orange": (242, 137, 36),
    "yellow": (250, 210, 55),
    "green": (58, 158, 82),
    "blue": (44, 100, 212),
    "purple": (128, 66, 182),
    "pink": (246, 138, 182),
    "white": (246, 246, 242),
    "black": (28, 28, 34),
    "gray": (142, 146, 152),
    "brown": (126, 80, 48),
    "teal": (38, 178, 180),
}
COLOR_NAMES = list(COLORS)

#: words a caption may use for a colour; the first is the usual one
COLOR_WORDS = {
    "gray": ["gray", "grey", "silver"],
    "teal": ["teal", "turquoise", "cyan"],
    "red": ["red", "crimson", "scarlet"],
    "purple": ["purple", "violet"],
    "yellow": ["yellow", "golden"],
    "blue": ["blue"],
    "pink": ["pink", "rose"],
    "black": ["black"],
    "white": ["white"],
    "green": ["green", "emerald"],
    "orange": ["orange"],
    "brown": ["brown"],
}

WHITE: Color = (255, 255, 255)


def mix(first: Sequence[float], second: Sequence[float], share: float) -> Color:
    """`first` and `second` blended; `share` is how much of the second (0 to 1)."""
    r, g, b = (float(x) * (1 - share) + float(y) * share for x, y in zip(first, second, strict=True))
    return r, g, b


def lit(color: Sequence[float], tint: Sequence[float]) -> Color:
    """`color` under a light of colour `tint` (1, 1, 1 is daylight)."""
    r, g, b = (min(255.0, x * t) for x, t in zip(color, tint, strict=True))
    return r, g, b


def shade(color: Sequence[float], factor: float) -> Color:
    """`color` made darker (factor below 1) or lighter (above 1)."""
    r, g, b = (min(255.0, x * factor) for x in color)
    return r, g, b


def to_pixel(color: Sequence[float]) -> tuple[int, int, int]:
    """`color` as whole numbers 0 to 255, as OpenCV takes it."""
    r, g, b = (int(min(255, max(0, round(v)))) for v in color)
    return r, g, b
