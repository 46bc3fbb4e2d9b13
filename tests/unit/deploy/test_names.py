"""deploy/names.py: names that fit, differ where content differs, and tell what is ours."""

from __future__ import annotations

import pytest

from webui_async.deploy import names

#: 63 characters, all of them alike until the last.
LONGEST = "painter-" + "a" * 54
ENDPOINTS = ["p", "painter", "painter-2", "x" * 50, "x" * 51, f"{LONGEST}b", f"{LONGEST}c"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_name_fits_and_is_known_again(endpoint: str) -> None:
    name = names.addressed(endpoint, {"a": 1})
    assert len(name) <= 63
    assert names.common_part(endpoint) in name
    assert [each for each in ENDPOINTS if names.is_addressed(each, name)] == [endpoint]


def test_other_content_has_another_name_and_the_same_the_same() -> None:
    assert names.addressed("painter", {"a": 1, "b": 2}) == names.addressed("painter", {"b": 2, "a": 1})
    assert names.addressed("painter", {"a": 1}) != names.addressed("painter", {"a": 2})


@pytest.mark.parametrize(
    "name", ["painter", "painter-0123456789a", "painter-0123456789ag", "painter-2-0123456789ab"]
)
def test_what_is_not_ours_is_not_taken_for_it(name: str) -> None:
    assert not names.is_addressed("painter", name)


def test_our_tag_outweighs_one_of_that_name() -> None:
    assert names.tags_of("painter", {"team": "art", names.TAG: "other"}) == {
        "team": "art",
        names.TAG: "painter",
    }
