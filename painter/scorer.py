"""The painter's own scorer: does a picture show what its prompt names?

    reading = read_picture(image)           # Reading(background="blue", object_color="red", ...)
    score = score_picture(image, "a red circle on a blue background")  # Score(background=True, ...)
    shares = scores(zip(images, prompts))   # {"background": 0.95, ...}

OpenCV and numpy only. It reads plain pictures (one shape on one colour) and, by `read_time_of_day`, scenes
under a sky. The rule was fixed before the model was measured with it and has not been tuned since. The median
of the border names the background; the largest blob that differs from it is the object, and its median names
the colour; the best overlap with the twelve shapes, cut out and brought to one size, names the shape. Known
to err: a rounded or wide square reads "circle" or "rectangle", and of two tones it sees the middle one.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from painter.canvas import Canvas, Picture
from painter.colors import COLOR_NAMES, COLOR_WORDS, COLORS, WHITE
from painter.pen import Pen
from painter.shapes import SHAPE_NAMES, SHAPE_WORDS, SHAPES

MIN_SIDE_PX = 32
MIN_DIFFERENCE = 48  #: of a channel from the background's, before a pixel counts as object
MIN_OBJECT_SHARE = 0.004  #: of the picture's area, before a blob counts as object
TIMES_OF_DAY = ("at night", "at noon", "at sunset")

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Reading:
    """What a picture shows, in the painter's words."""

    background: str  #: colour name of the border
    object_color: str | None  #: colour name of the largest object, None when there is none
    shape: str | None  #: its shape's name, None when there is no object
    objects: int  #: how many separate objects


@dataclass(frozen=True)
class ShapePrompt:
    """What a prompt "a COLOUR SHAPE on a COLOUR background" asks for, in the painter's words."""

    object_color: str
    shape: str
    background: str


@dataclass(frozen=True)
class Score:
    """Which parts of a shape prompt a picture got right."""

    background: bool
    object_color: bool
    shape: bool
    one_object: bool

    @property
    def both_colors(self) -> bool:
        """Background and object colour are the ones asked for."""
        return self.background and self.object_color

    @property
    def colors_and_shape(self) -> bool:
        """Both colours and the shape are the ones asked for."""
        return self.both_colors and self.shape


def load_picture(path: str | Path) -> Picture:
    """A picture file as RGB. Raises ValueError when OpenCV cannot read it."""
    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) if Path(path).stat().st_size else None
    if image is None:
        raise ValueError(f"{path} is not a picture OpenCV can read")
    return np.ascontiguousarray(image[..., ::-1]).astype(np.uint8)


def read_picture(image: Any) -> Reading:
    """The colours, shape and number of objects a picture shows.

    image: RGB, uint8, height x width x 3: an array or anything numpy takes for one, such as a PIL picture.
    A picture of one plain colour gives no object (None, None, 0). Raises ValueError for anything but RGB of a
    usable size.
    """
    pixels = _as_rgb(image).astype(np.float32)
    background = np.median(_border(pixels), 0)
    labels, blobs = _objects(pixels, background)
    if not blobs:
        return Reading(color_name(background), None, None, 0)
    largest = max(blobs, key=lambda blob: blob[1])[0]
    blob_mask = labels == largest
    object_color = color_name(np.median(pixels[blob_mask], 0))
    return Reading(color_name(background), object_color, shape_name(blob_mask), len(blobs))


def read_time_of_day(image: Any) -> str:
    """One of TIMES_OF_DAY by the upper third: dark is night, clearly more blue than red noon, else sunset."""
    pixels = _as_rgb(image).astype(float)
    red, green, blue = pixels[: pixels.shape[0] // 3].reshape(-1, 3).mean(0)
    if (red + green + blue) / 3 < 75:
        return "at night"
    return "at noon" if blue > red + 15 else "at sunset"


def parse_prompt(prompt: str) -> ShapePrompt:
    """The colours and shape that a prompt like "a red circle on a blue background" names.

    The captions' other words (crimson, disc, grey) count too. Raises ValueError for any other form.
    """
    match = _prompt_pattern().search(prompt.lower())
    if match is None:
        raise ValueError(f'cannot read {prompt!r}: it must say "a COLOUR SHAPE on a COLOUR background"')
    colors, shapes = _by_word(COLOR_WORDS), _by_word(SHAPE_WORDS)
    return ShapePrompt(colors[match["color"]], shapes[match["shape"]], colors[match["background"]])


def score_picture(image: Any, prompt: str) -> Score:
    """Which parts of `prompt` the picture shows. Raises ValueError as read_picture and parse_prompt do."""
    asked, seen = parse_prompt(prompt), read_picture(image)
    return Score(
        background=seen.background == asked.background,
        object_color=seen.object_color == asked.object_color,
        shape=seen.shape == asked.shape,
        one_object=seen.objects == 1,
    )


def scores(drawn: Iterable[tuple[Any, str]]) -> dict[str, float]:
    """Share of the (picture, prompt) pairs that got each part right, under Score's own names.

    Raises ValueError when there is no pair, and as score_picture does.
    """
    each = [score_picture(image, prompt) for image, prompt in drawn]
    if not each:
        raise ValueError("no pictures to score")
    parts = ("background", "object_color", "shape", "one_object", "both_colors", "colors_and_shape")
    return {part: sum(getattr(score, part) for score in each) / len(each) for part in parts}


def color_name(rgb: Any) -> str:
    """The named colour nearest to `rgb` (0 to 255) in CIE Lab."""
    distance = ((_palette_lab() - _to_lab([rgb])) ** 2).sum(1)
    return COLOR_NAMES[int(np.argmin(distance))]


def shape_name(mask: Mask) -> str:
    """The shape whose outline overlaps the mask's best, whatever their sizes and places."""
    seen = _cut_out(mask)
    overlap = {name: (seen & shape).sum() / (seen | shape).sum() for name, shape in _templates().items()}
    return max(overlap, key=lambda name: overlap[name])


def _as_rgb(image: Any) -> Picture:
    pixels = np.asarray(image)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ValueError(
            f"the picture is {pixels.dtype} of shape {pixels.shape}; it must be uint8 RGB, height x width x 3"
        )
    if min(pixels.shape[:2]) < MIN_SIDE_PX:
        height, width = pixels.shape[:2]
        raise ValueError(f"the picture is {width} x {height} px; each side must be at least {MIN_SIDE_PX}")
    return pixels


def _border(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The pixels within a sixteenth of the edge."""
    b = pixels.shape[0] // 16
    edges = (pixels[:b], pixels[-b:], pixels[:, :b], pixels[:, -b:])
    return np.concatenate([edge.reshape(-1, 3) for edge in edges])


def _objects(
    pixels: NDArray[np.float32], background: NDArray[Any]
) -> tuple[NDArray[np.int32], list[tuple[int, int]]]:
    """Every pixel's blob number, and (number, area in pixels) of the blobs that count as objects."""
    differs = (np.abs(pixels - background).max(2) > MIN_DIFFERENCE).astype(np.uint8)
    differs = cv2.morphologyEx(differs, cv2.MORPH_OPEN, np.ones((3, 3)))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(differs)
    areas = [(blob, int(stats[blob, cv2.CC_STAT_AREA])) for blob in range(1, count)]
    smallest = MIN_OBJECT_SHARE * pixels.shape[0] * pixels.shape[1]
    return labels, [(blob, area) for blob, area in areas if area > smallest]


def _cut_out(mask: Mask) -> Mask:
    """The mask's filled part, centred in a square and brought to 64 x 64."""
    ys, xs = np.nonzero(mask)
    part = mask[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1].astype(np.uint8)
    height, width = part.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    framed = np.zeros((side, side), np.uint8)
    framed[top : top + height, left : left + width] = part
    return np.asarray(cv2.resize(framed * 255, (64, 64), interpolation=cv2.INTER_AREA) > 127)


@cache
def _templates() -> dict[str, Mask]:
    """Every shape as the painter draws it, cut out."""
    templates = {}
    for name, paint in SHAPES.items():
        canvas = Canvas(128)
        paint(Pen(canvas, 0.5, 0.5, 0.6), WHITE)
        templates[name] = _cut_out(canvas.image[..., 0] > 127)
    return templates


@cache
def _palette_lab() -> NDArray[np.float32]:
    return _to_lab([COLORS[name] for name in COLOR_NAMES])


def _to_lab(colors: Any) -> NDArray[np.float32]:
    """n x 3 RGB (0 to 255) as n x 3 CIE Lab."""
    pixels = (np.asarray(colors, np.float32) / 255)[None]
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)[0], np.float32)


def _by_word(words: dict[str, list[str]]) -> dict[str, str]:
    """Caption word -> the painter's name."""
    return {word: name for name, known in words.items() for word in known}


@cache
def _prompt_pattern() -> re.Pattern[str]:
    color = "|".join(_by_word(COLOR_WORDS))
    shape = "|".join(sorted({*SHAPE_NAMES, *_by_word(SHAPE_WORDS)}, key=len, reverse=True))
    background = rf"(?:on|against) (?:an? )?(?P<background>{color})\b"
    return re.compile(rf"\b(?P<color>{color}) (?P<shape>{shape})\b.*?\b{background}")
