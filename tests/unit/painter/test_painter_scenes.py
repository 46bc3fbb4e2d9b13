"""A seed is a picture: the training data can be painted again, and nobody changes it by accident."""

import hashlib
import json

import numpy as np
import pytest

from painter.colors import COLOR_NAMES
from painter.dice import Dice
from painter.scenes import SCENES, paint
from painter.shapes import SHAPE_NAMES, SHAPE_WORDS
from painter.things import THINGS
from painter.words import article, background_phrase, other_color

#: seed -> half the SHA-256 of the picture's bytes at 128 px and of its captions, for early seeds trained on.
#: A change here means that the painter no longer paints what the model learned from.
GOLDEN = {
    1000000: ("ce46cee49c7d8f4b78f3a667c699b700", "08a954f8df9c28e08d6efd83078357db"),
    1000001: ("4c1492ba68c880814069c5fb471f1123", "3a30bafe4de1a2fe8039107fc78f004a"),
    1000002: ("ae2cd7dc8cafe5b00a6bc77b1b22272d", "40d7e88cf143043a1f1aed55a3e82502"),
    1000003: ("b7373c15121499c211edca4d012f9400", "bd08d6863676a4fd81eaf692fbbe1326"),
    1000004: ("bca6c9ca87715d6644c9acbb5f4cae4e", "d720d9ca315cc58754fb64b9bb5e6879"),
    1000005: ("8cc2a24eab01ff49af42186cec6a324c", "c73c8254712e0a430cfcd8459ae93b4e"),
    1000007: ("2acf24edb8609e93bc1bb00cadf68ce3", "90dc3978ca12b749cff648dafbec9d78"),
    1000008: ("7dd3780f91c9e36b1f3616b3fd1b277e", "c7589e2ae6c16258be1f55c3ed754a2e"),
    1000010: ("335609646f471140bf02b6b94b3104ff", "ba1174816d9bfd56ff5bb4b324a1888a"),
    1000012: ("69c6c57667fdc7e81532c764cb8a4e57", "c070618659f6cb6e161743a42da02389"),
    1000031: ("676fbd40bf9ab8e440c0af9fbb1a264d", "7443cd5ff0e0a680c21b508daa462aa6"),
}


@pytest.mark.parametrize("seed", GOLDEN)
def test_a_seed_still_gives_the_picture_and_captions_the_model_was_trained_on(seed):
    picture, captions = paint(seed, 128)
    assert (_hash(picture.tobytes()), _hash(json.dumps(captions).encode())) == GOLDEN[seed]


def test_the_same_seed_gives_the_same_picture_and_captions():
    first, first_captions = paint(7, 96)
    second, second_captions = paint(7, 96)
    assert np.array_equal(first, second) and first_captions == second_captions


def test_captions_do_not_depend_on_the_picture_size():
    assert paint(11, 64)[1] == paint(11, 160)[1]


@pytest.mark.parametrize("scene", [scene for scene, _ in SCENES], ids=lambda scene: scene.__name__)
def test_every_scene_paints_rgb_of_the_size_asked_and_four_captions(scene):
    for seed in range(25):
        picture, captions = scene(Dice(seed), 64)
        assert picture.shape == (64, 64, 3) and picture.dtype == np.uint8
        assert len(captions) == 4 and all(caption.strip() == caption and caption for caption in captions)
        assert picture.min() != picture.max()


def test_captions_have_no_gap_left_unfilled():
    captions = [caption for seed in range(200) for caption in paint(seed, 32)[1]]
    assert not [caption for caption in captions if "%" in caption or "None" in caption or "  " in caption]


def test_every_thing_and_shape_has_words_and_every_word_one_meaning():
    assert all(thing.words for thing in THINGS.values())
    assert list(SHAPE_WORDS) == SHAPE_NAMES
    words = [word for name in SHAPE_WORDS for word in set(SHAPE_WORDS[name])]
    assert len(words) == len(set(words))


@pytest.mark.parametrize(("word", "expected"), [("orange", "an"), ("red", "a"), ("emerald", "an")])
def test_the_article_fits_the_word(word, expected):
    assert article(word) == expected


def test_other_color_never_gives_a_color_that_is_taken():
    taken = COLOR_NAMES[:-1]
    assert all(other_color(Dice(seed), *taken) == COLOR_NAMES[-1] for seed in range(5))


def test_a_background_phrase_names_the_background():
    assert all("white" in background_phrase(Dice(seed), "white") for seed in range(20))


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
