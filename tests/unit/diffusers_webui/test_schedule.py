import time

import pytest

from diffusers_webui.schedule import Clock, schedule


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("", [(10, "")]),
        ("a [cat:dog:0.5] sits", [(5, "a cat sits"), (10, "a dog sits")]),
        ("a [cat:dog:4]", [(4, "a cat"), (10, "a dog")]),
        ("[cat:10]", [(10, "")]),
        ("a [cat:0.3]", [(3, "a "), (10, "a cat")]),
        ("a [cat::0.3]", [(3, "a cat"), (10, "a ")]),
        ("[a:b: 4 ]", [(4, "a"), (10, "b")]),
        ("[a:b:0.0]", [(10, "b")]),
        ("[a:b:99]", [(10, "a")]),
        ("[[a:b:0.2]:c:0.7]", [(2, "a"), (7, "b"), (10, "c")]),
        ("([a:b:0.5] c:1.2)", [(5, "(a c:1.2)"), (10, "(b c:1.2)")]),
        ("[a (b:1.3):c:5]", [(5, "a (b:1.3)"), (10, "c")]),
    ],
)
def test_a_prompt_is_edited_on_the_way(prompt, texts):
    assert schedule(prompt, Clock(10)) == texts


def test_words_take_turns():
    assert schedule("a [cat|dog|]", Clock(4)) == [(1, "a cat"), (2, "a dog"), (3, "a "), (4, "a cat")]


@pytest.mark.parametrize(
    "prompt",
    [
        "[word] (word:1.2) [(word)]",
        "[a:b] is no edit",
        "[a:b:0.5",
        "a | b [c:d:1]",
        r"\[a:b:0.5\]",
        "a) b] c: d",
        "(" * 5000 + "[a:b:1]" + ")" * 5000,
    ],
    ids=lambda prompt: prompt[:20],
)
def test_what_is_no_edit_is_left_for_attention(prompt):
    assert schedule(prompt, Clock(10)) == [(10, prompt)]


def test_beside_a_stray_bracket_an_edit_still_counts():
    assert schedule("a) [b:c:5]", Clock(10)) == [(5, "a) b"), (10, "a) c")]


def test_in_a_second_pass_shares_above_one_and_later_counts_are_meant():
    prompt = "[a:b:0.5] [c:d:1.5] [e:f:25]"
    assert schedule(prompt, Clock(20)) == [(10, "a c e"), (20, "b c e")]
    assert schedule(prompt, Clock(10, before=20)) == [(5, "b c e"), (10, "b d f")]


@pytest.mark.parametrize("prompt", ["[" * 300, "[a:b:" * 300, "(a:" * 300, "[a|" * 300, "[(" * 150])
def test_no_prompt_takes_long_to_read(prompt):
    begun = time.monotonic()
    schedule(prompt, Clock(20))
    assert time.monotonic() - begun < 1
