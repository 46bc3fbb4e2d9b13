import pytest

from diffusers_webui.styles import Styles


@pytest.fixture
def styles(tmp_path):
    file = tmp_path / "styles.csv"
    file.write_text('﻿name,prompt,negative_prompt\nfoggy,"{prompt}, in fog",sharp\nflat,flat,\n', "utf-8")
    return Styles(file)


@pytest.mark.parametrize(
    ("names", "prompt"),
    [
        ([], "a cat"),
        (["flat"], "a cat, flat"),
        (["foggy"], "a cat, in fog"),
        (["flat", "foggy"], "a cat, flat, in fog"),
        (["nope"], "a cat"),
    ],
)
def test_styles_go_behind_the_prompt_or_around_it(styles, names, prompt):
    assert styles.on_prompt("a cat", names) == prompt


def test_a_style_alone_is_the_prompt(styles):
    assert styles.on_prompt("", ["flat"]) == "flat"
    assert styles.on_negative_prompt("", ["foggy", "flat"]) == "sharp"


def test_styles_are_listed(styles):
    assert styles.listing()[0] == {"name": "foggy", "prompt": "{prompt}, in fog", "negative_prompt": "sharp"}


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00", b"a,b\n1,2\n"])
def test_a_file_that_is_missing_or_none_of_ours_holds_no_styles(tmp_path, content):
    file = tmp_path / "styles.csv"
    if content is not None:
        file.write_bytes(content)
    assert Styles(file).listing() == []


def test_a_drawing_takes_its_styles_and_the_infotext_shows_them(draw, client):
    assert [one["name"] for one in client.get("/sdapi/v1/prompt-styles").json()] == ["foggy", "flat"]
    drawn = draw(prompt="a red star", styles=["foggy", "nope"])
    assert drawn["info"]["prompt"] == "a red star, in fog"
    assert drawn["info"]["styles"] == ["foggy", "nope"]
    assert drawn["info"]["infotexts"][0].startswith("a red star, in fog\nNegative prompt: sharp\n")


def test_of_several_files_all_styles_are_there_and_the_last_word_counts(tmp_path):
    for number in (1, 2):
        text = f"name,prompt,negative_prompt\nof {number},{number},\nboth,{number},\n"
        (tmp_path / f"{number}.csv").write_text(text)
    several = Styles(tmp_path / "1.csv", tmp_path / "2.csv")
    assert [one["name"] for one in several.listing()] == ["of 1", "both", "of 2"]
    assert several.on_prompt("", ["both"]) == "2"
