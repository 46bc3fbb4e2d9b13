"""deploy/stack_template.py: what cannot be is refused before AWS is asked anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from webui_async.contract.errors import CheckoutMissing, InvalidOption
from webui_async.deploy import stack_template
from webui_async.deploy.stack_template import TEMPLATE, check_stack_name, find_checkout, read_parameters

ROOT = Path(__file__).resolve().parents[3]


def test_a_folder_that_is_no_checkout_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_template, "__file__", str(tmp_path / "site-packages" / "a" / "b" / "c.py"))
    (tmp_path / TEMPLATE).write_text("somebody else's")

    with pytest.raises(CheckoutMissing, match="deployed from a checkout of the project"):
        find_checkout(tmp_path)


def test_a_package_used_from_its_checkout_finds_the_template_from_anywhere(tmp_path: Path) -> None:
    assert find_checkout(tmp_path) == ROOT


@pytest.mark.parametrize("name", ["House", "1house", "house_", "h" * 36, "house-", ""])
def test_a_name_that_the_bucket_cannot_have_is_refused(name: str) -> None:
    with pytest.raises(InvalidOption, match="--stack is"):
        check_stack_name(name)


def test_a_name_that_leaves_room_for_account_and_region_is_taken() -> None:
    longest = "h" * 35
    assert check_stack_name(longest) == longest and len(f"{longest}-123456789012-ap-southeast-1") == 63


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        ("MaxActiveJob=5", "no such parameter: did you mean MaxActiveJobs"),
        ("MaxActiveJobs", "it must be Key=Value"),
        ("MaxActiveJobs=0", "it must be 1 or more"),
        ("MaxActiveJobs=many", "it must be a number"),
        ("JobTtlS=90000", "it must be 21600 or less"),
        ("LogRetentionDays=2", "it must be one of 1, 3, 5"),
        ("BucketName=Pictures", "it must match"),
        ("AlarmEmail=art", "it must match"),
        ("EndpointInVpc=yes", "it must be one of true, false"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused(pair: str, told: str) -> None:
    with pytest.raises(InvalidOption, match="--parameter") as refused:
        read_parameters([pair], ROOT / TEMPLATE)
    assert told in str(refused.value)


def test_parameters_that_can_be_are_taken_as_they_are() -> None:
    pairs = ['OwnerAliases={"a": "b=c"}', "MaxActiveJobs=5", "AlarmEmail=art@example.com", "ApiUrl="]

    assert read_parameters(pairs, ROOT / TEMPLATE) == {
        "OwnerAliases": '{"a": "b=c"}', "MaxActiveJobs": "5", "AlarmEmail": "art@example.com", "ApiUrl": "",
    }  # fmt: skip
