"""The error tree: a code and a status per cause, and messages that fit into an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from webui_async.contract import errors
from webui_async.contract.errors import PipelineError, all_errors, error_of, shown

#: The contract's own; other modules, when a test has imported them, add theirs to the tree.
ALL = [error for error in all_errors() if error.__module__ == errors.__name__]


def test_every_code_is_its_own_and_leads_back_to_its_error() -> None:
    assert len({error.code for error in ALL}) == len(ALL)
    for error in ALL:
        assert error_of(error.code) is error
    assert error_of("nonsense") is error_of(None) is PipelineError


@pytest.mark.parametrize("error", ALL)
def test_every_error_says_what_it_is(error: type[PipelineError]) -> None:
    document = error.problem_of("what happened", "j-7")
    assert document["title"].endswith(".")
    assert 400 <= document["status"] <= 599
    assert document["job_id"] == "j-7"
    assert "job_id" not in error.problem_of("what happened")


def test_an_ended_job_says_how_it_ended() -> None:
    assert errors.JobEnded("succeeded", "now").problem()["job_status"] == "succeeded"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("20", '"20"'),
        (None, "null"),
        (True, "true"),
        (20, "20"),
        (2.5, "2.5"),
        (float("nan"), "nan"),
        ([1], "[1]"),
        ("a\nb", '"a\\nb"'),
        ("\ud800", '"\\\\ud800"'),
        ("x" * 80, '"' + "x" * 80 + '"'),
    ],
)
def test_a_value_is_shown_in_jsons_words(value: Any, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    "value", ["x" * 10**6, [["x" * 50] * 50] * 50, {"a" * 1000: "b" * 1000}, 10**4000, "\n" * 500]
)
def test_a_long_value_is_cut(value: Any) -> None:
    assert len(shown(value)) <= 100
    json.dumps(shown(value)).encode()
