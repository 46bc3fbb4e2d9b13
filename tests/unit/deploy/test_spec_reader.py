"""deploy/spec_reader.py: flag > file > default, and each refusal names field and value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.deploy.made import IMAGE, PACK
from webui_async.contract.errors import InvalidSpec
from webui_async.deploy.spec_reader import FIELDS, meanings, read_spec

NEEDED = {"stack": "house", "image": IMAGE, "pack": PACK}
File = Callable[[str], Path]


@pytest.fixture
def file(tmp_path: Path) -> File:
    def write(text: str) -> Path:
        path = tmp_path / "endpoint.yaml"
        path.write_text(text)
        return path

    return write


def test_flags_alone_make_a_spec() -> None:
    made = read_spec(None, NEEDED | {"max_instances": "3", "max_job_s": "60", "min_instances": None})
    assert (made.stack, made.max_instances, made.max_job_s, made.min_instances) == ("house", 3, 60.0, 0)


def test_a_flag_outweighs_the_file_and_the_file_the_default(file: File) -> None:
    path = file("stack: house\nmax_instances: 3\nmax_jobs: 4\nusd_per_hour: 2\n")
    made = read_spec(path, {"image": IMAGE, "pack": PACK, "max_jobs": "5"})
    assert (made.max_instances, made.max_jobs, made.usd_per_hour) == (3, 5, 2.0)


def test_lists_and_tables_are_read_from_both_and_tables_add_up(file: File) -> None:
    path = file(
        "subnets: [subnet-1, subnet-2]\nenvironment: {WEBUI_ASYNC_FETCH_PARTS: 4, A: b}\n"
        "start_seconds: {image: 90}\ntags: {team: art}\n"
    )
    flags = {
        "security_groups": ["sg-1"],
        "environment": ["A=c=d", "E="],
        "start_seconds": ["warm_up=2.5"],
        "tags": ["cost=7"],
    }
    made = read_spec(path, NEEDED | flags)
    assert made.subnets == ("subnet-1", "subnet-2") and made.security_groups == ("sg-1",)
    assert made.environment == {"WEBUI_ASYNC_FETCH_PARTS": "4", "A": "c=d", "E": ""}
    assert made.start_seconds == {"image": 90.0, "warm_up": 2.5}
    assert made.tags == {"team": "art", "cost": "7"}


def test_null_in_the_file_is_absent(file: File) -> None:
    assert read_spec(file("kms_key: null\nname:\n"), NEEDED).name is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("max_instance: 3", "max_instance is 3; there is no such field: did you mean max_instances?"),
        ("zzz: 3", "zzz is 3; there is no such field: there are stack, image"),
        ("max_instances: many", 'max_instances is "many"; it must be a whole number'),
        ("max_instances: 1.5", "max_instances is 1.5; it must be a whole number"),
        ("max_instances: true", "max_instances is true; it must be a whole number"),
        ("max_job_s: '60'", 'max_job_s is "60"; it must be a number'),
        ("stack: 7", "stack is 7; it must be a text"),
        ("stack: null", "stack is null; it must be a text"),
        ("subnets: subnet-1", 'subnets is "subnet-1"; it must be a list of texts'),
        ("subnets: [7]", "subnets[0] is 7; it must be a text"),
        ("environment: [A]", "environment is ['A']; it must be a mapping"),
        ("environment: {A: [1]}", "environment.A is [1]; it must be a text"),
        ("environment: {A: yes}", "environment.A is true; it must be a text: put it in quotes"),
        ("start_seconds: {image: soon}", 'start_seconds.image is "soon"; it must be a number'),
        ("- stack", "--spec is"),
        ("stack: [", "it cannot be read as YAML"),
    ],
)
def test_a_bad_file_is_refused_with_field_and_value(file: File, text: str, told: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        read_spec(file(text), {name: NEEDED[name] for name in NEEDED if not text.startswith(f"{name}:")})
    assert told in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match=r"--spec is .*cannot be read.*nothing.yaml"):
        read_spec(tmp_path / "nothing.yaml", NEEDED)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"max_instances": "many"}, 'max_instances is "many"; it must be a whole number'),
        ({"usd_per_hour": "dear"}, 'usd_per_hour is "dear"; it must be a number'),
        ({"tags": ["team"]}, 'tags is "team"; it must be NAME=VALUE'),
        ({"start_seconds": ["image=soon"]}, 'start_seconds.image is "soon"; it must be a number'),
    ],
)
def test_a_bad_flag_is_refused_with_field_and_value(flags: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        read_spec(None, NEEDED | flags)
    assert told in str(caught.value)


@pytest.mark.parametrize("name", NEEDED)
def test_what_is_needed_is_asked_for_by_its_flag(name: str) -> None:
    with pytest.raises(InvalidSpec, match=f"{name} is null; say it with --{name} or in the file of --spec"):
        read_spec(None, {other: value for other, value in NEEDED.items() if other != name})


def test_every_field_says_what_it_is_for() -> None:
    assert list(meanings()) == list(FIELDS)
    assert all(meanings().values())
