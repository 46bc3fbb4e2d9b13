"""Chunks and weights of a prompt, with a text encoder that is told and says nothing."""

from types import SimpleNamespace

import pytest
import torch

from diffusers_webui.conditioning import Conditioner
from diffusers_webui.embeddings import Embedding

BEGIN, END, COMMA = 1000, 1001, 7


class Tokenizer:
    """A token for every character; names of embeddings are capital letters."""

    bos_token_id, eos_token_id = BEGIN, END

    def convert_tokens_to_ids(self, word):
        return COMMA

    def __call__(self, text, **_):
        return SimpleNamespace(input_ids=[COMMA if one == "," else ord(one) for one in text if one != " "])


@pytest.fixture
def conditioner():
    return Conditioner(SimpleNamespace(tokenizer=Tokenizer(), texts=[]))


def chunks(conditioner, prompt, backtrack=20):
    return conditioner._chunks(prompt, backtrack)


def test_a_chunk_is_77_tokens_between_begin_and_end(conditioner):
    [chunk] = chunks(conditioner, "(a:2)b")
    assert chunk.tokens == [BEGIN, ord("a"), ord("b"), *[END] * 74]
    assert chunk.weights == [1.0, 2.0, *[1.0] * 75]


def test_75_tokens_are_one_chunk_and_76_are_two(conditioner):
    assert len(chunks(conditioner, "a" * 75)) == 1
    two = chunks(conditioner, "a" * 76)
    assert len(two) == 2 and two[1].tokens[:3] == [BEGIN, ord("a"), END]


def test_break_begins_the_next_chunk(conditioner):
    first, second = chunks(conditioner, "a BREAK b")
    assert first.tokens[1:3] == [ord("a"), END] and second.tokens[1:3] == [ord("b"), END]


def test_a_full_chunk_breaks_at_the_last_comma_when_that_is_near(conditioner):
    first, second = chunks(conditioner, "a" * 60 + "," + "b" * 20)
    assert first.tokens[61:63] == [COMMA, END] and second.tokens[1:21] == [ord("b")] * 20
    first, _ = chunks(conditioner, "a" * 40 + "," + "b" * 40)
    assert first.tokens[75] == ord("b")


def embedding(name, count):
    return Embedding(name, "0" * 12, (torch.ones(count, 4),), {})


def test_an_embedding_takes_the_room_of_its_vectors_in_one_chunk(conditioner):
    conditioner.learn([embedding("X", 10), embedding("XY", 3)])
    [chunk] = chunks(conditioner, "aXb")
    assert [(at, one.name) for at, one in chunk.planted] == [(2, "X")]
    assert chunk.tokens[1] == ord("a") and chunk.tokens[12:14] == [ord("b"), END]
    _, second = chunks(conditioner, "a" * 70 + "X")
    assert [at for at, _ in second.planted] == [1]


def test_the_longest_name_is_meant(conditioner):
    conditioner.learn([embedding("X", 10), embedding("XY", 3)])
    [chunk] = chunks(conditioner, "XY X")
    assert [(at, one.name) for at, one in chunk.planted] == [(1, "XY"), (4, "X")]


def test_an_embedding_moves_with_its_words_when_a_chunk_breaks_at_a_comma(conditioner):
    conditioner.learn([embedding("X", 5)])
    first, second = chunks(conditioner, "a" * 60 + ",bX" + "c" * 12)
    assert first.planted == [] and [at for at, _ in second.planted] == [2]
    assert len(first.tokens) == len(second.tokens) == 77
