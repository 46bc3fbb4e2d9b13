import pytest

from diffusers_webui.prompt import parse_attention, split_composition, split_extra_networks, strip_comments


@pytest.mark.parametrize(
    ("prompt", "pieces"),
    [
        ("", [("", 1.0)]),
        ("a (cat)", [("a ", 1.0), ("cat", 1.1)]),
        ("a [cat]", [("a ", 1.0), ("cat", 1 / 1.1)]),
        ("(cat:1.3) on a mat", [("cat", 1.3), (" on a mat", 1.0)]),
        ("((cat))", [("cat", 1.1 * 1.1)]),
        (r"a \(cat\)", [("a (cat)", 1.0)]),
        ("(unbalanced", [("unbalanced", 1.1)]),
        ("one BREAK two", [("one", 1.0), ("BREAK", -1.0), ("two", 1.0)]),
    ],
)
def test_brackets_become_weights(prompt, pieces):
    read = parse_attention(prompt)
    assert [text for text, _ in read] == [text for text, _ in pieces]
    assert [weight for _, weight in read] == pytest.approx([weight for _, weight in pieces])


def test_tags_leave_the_prompt_and_keep_their_values():
    text, tags = split_extra_networks("a star <lora:ink:0.5> <lora:x:1:unet=0.2> <hypernet:y:1>")
    assert text == "a star   "
    assert [tag.positional for tag in tags["lora"]] == [["ink", "0.5"], ["x", "1"]]
    assert tags["lora"][1].named == {"unet": "0.2"}
    assert "hypernet" in tags


def test_comments_are_no_part_of_a_prompt():
    assert strip_comments("# only a note\na star # red") == "a star "


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("a cat", [("a cat", 1.0)]),
        ("a cat AND a dog", [("a cat ", 1.0), (" a dog", 1.0)]),
        ("a cat :0.5 AND a dog: -1 AND (x:1.2)", [("a cat", 0.5), (" a dog", -1.0), (" (x:1.2)", 1.0)]),
        ("sAND and ANDY", [("sAND and ANDY", 1.0)]),
        ("a cat:2", [("a cat", 2.0)]),
    ],
)
def test_and_splits_a_prompt_into_weighted_parts(prompt, parts):
    assert split_composition(prompt) == parts
