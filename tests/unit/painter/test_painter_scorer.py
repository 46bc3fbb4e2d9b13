"""The scorer reads the painter's own pictures, and says so when it is given something else."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import painter
from painter.canvas import Canvas
from painter.colors import COLOR_NAMES, COLORS
from painter.dice import Dice
from painter.fidelity_prompts import shape_prompts
from painter.pen import Pen
from painter.scenes.landscape import decide
from painter.scenes.plain import one
from painter.scenes.sky import paint_sky
from painter.scorer import (
    Reading,
    Score,
    ShapePrompt,
    load_picture,
    parse_prompt,
    read_picture,
    read_time_of_day,
    score_picture,
    scores,
)
from painter.shapes import SHAPE_NAMES, SHAPES
from painter.words import other_color


def draw_prompt(prompt, size_px=128):
    """The picture the prompt asks for, as the painter draws it."""
    asked = parse_prompt(prompt)
    canvas = Canvas(size_px)
    canvas.fill(COLORS[asked.background])
    SHAPES[asked.shape](Pen(canvas, 0.5, 0.5, 0.5), COLORS[asked.object_color])
    return canvas.image


@pytest.mark.parametrize("shape", SHAPE_NAMES)
def test_every_shape_in_every_color_is_read_as_drawn(shape):
    for i, color in enumerate(COLOR_NAMES):
        background = other_color(Dice(i), color)
        article = "an" if color == "orange" else "a"
        image = draw_prompt(f"{article} {color} {shape} on a {background} background")
        assert read_picture(image) == Reading(background, color, shape, 1)


def test_pictures_of_one_shape_from_the_training_data_are_read_as_their_captions_say():
    """Sizes, places and colours vary there, so most is the claim, not all."""
    right = 0
    for seed in range(60):
        dice, canvas = Dice(seed), Canvas(256)
        canvas.fill(dice.color("white", 6))
        captions = one(canvas, dice, "white")
        reading = read_picture(canvas.image)
        told = [caption for caption in captions if " white" in caption and "masterpiece" not in caption]
        right += any(_agrees(reading, caption) for caption in told)
    assert right >= 51


def _agrees(reading, caption):
    try:
        asked = parse_prompt(caption)
    except ValueError:
        return False
    return (reading.background, reading.object_color, reading.shape) == (
        asked.background,
        asked.object_color,
        asked.shape,
    )


def test_the_scorer_gives_full_marks_to_what_the_prompt_names_and_none_to_another_picture():
    prompt = "a red circle on a blue background"
    assert score_picture(draw_prompt(prompt), prompt) == Score(True, True, True, True)
    other = score_picture(draw_prompt("a white star on a green background"), prompt)
    assert other == Score(False, False, False, True)


def test_two_objects_are_counted_as_two():
    canvas = Canvas(128)
    canvas.fill(COLORS["yellow"])
    for x in (0.25, 0.75):
        SHAPES["square"](Pen(canvas, x, 0.5, 0.3), COLORS["black"])
    assert read_picture(canvas.image) == Reading("yellow", "black", "square", 2)


def test_a_plain_picture_has_a_background_and_no_object():
    canvas = Canvas(64)
    canvas.fill(COLORS["teal"])
    assert read_picture(canvas.image) == Reading("teal", None, None, 0)
    score = score_picture(canvas.image, "a red circle on a teal background")
    assert score == Score(background=True, object_color=False, shape=False, one_object=False)


def test_specks_are_no_objects():
    canvas = Canvas(256)
    canvas.fill(COLORS["white"])
    canvas.rect(0.5, 0.5, 0.53, 0.53, COLORS["black"])
    assert read_picture(canvas.image).objects == 0


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (np.zeros((0, 0, 3), np.uint8), "0 x 0 px"),
        (np.zeros((8, 64, 3), np.uint8), "64 x 8 px"),
        (np.zeros((64, 64), np.uint8), "shape (64, 64)"),
        (np.zeros((64, 64, 4), np.uint8), "shape (64, 64, 4)"),
        (np.zeros((64, 64, 3), np.float32), "float32"),
    ],
)
def test_the_scorer_refuses_what_is_no_rgb_picture_and_says_what_it_got(image, told):
    with pytest.raises(ValueError, match="the picture is") as refusal:
        read_picture(image)
    assert told in str(refusal.value)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a red circle on a blue background", ShapePrompt("red", "circle", "blue")),
        ("an orange heart on a green background", ShapePrompt("orange", "heart", "green")),
        ("a crimson plus sign on a grey background", ShapePrompt("red", "cross", "gray")),
        ("A violet crescent moon against a golden background.", ShapePrompt("purple", "crescent", "yellow")),
    ],
)
def test_a_shape_prompt_is_understood_in_the_words_of_captions(prompt, expected):
    assert parse_prompt(prompt) == expected


@pytest.mark.parametrize("prompt", ["", "a red balloon over mountains", "a circle on a blue background"])
def test_a_prompt_that_names_no_shape_and_background_is_refused_by_name(prompt):
    with pytest.raises(ValueError, match="cannot read"):
        parse_prompt(prompt)


def test_scores_are_shares_of_the_pictures():
    prompts = shape_prompts(8)
    drawn = [(draw_prompt(prompt), prompt) for prompt in prompts]
    drawn[0] = (draw_prompt(prompts[1]), prompts[0])
    found = scores(drawn)
    assert found["colors_and_shape"] == 7 / 8 and found["one_object"] == 1


def test_scores_of_nothing_are_refused():
    with pytest.raises(ValueError, match="no pictures"):
        scores([])


def test_time_of_day_is_read_from_painted_skies():
    asked = {"night": "at night", "noon": "at noon", "sunset": "at sunset"}
    right = seen = 0
    for seed in range(200):
        view = decide(Canvas(64), Dice(seed))
        if view.time in asked and view.ground != "city":
            paint_sky(view)
            seen += 1
            right += not view.sky_color and read_time_of_day(view.canvas.image) == asked[view.time]
    assert seen > 80 and right / seen > 0.9


def test_a_picture_file_is_read_as_rgb(tmp_path):
    image = draw_prompt("a red circle on a blue background")
    cv2.imwrite(str(tmp_path / "a.png"), image[..., ::-1])
    assert np.array_equal(load_picture(tmp_path / "a.png"), image)


def test_a_file_that_is_no_picture_is_refused_by_name(tmp_path):
    for name, content in (("empty.png", b""), ("text.png", b"not a picture")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=name):
            load_picture(tmp_path / name)


def test_the_scorer_needs_neither_torch_nor_the_library():
    code = "import sys, painter.scorer; print({'torch', 'webui_async', 'serve'} & set(sys.modules))"
    root = Path(painter.__file__).parents[1]
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
