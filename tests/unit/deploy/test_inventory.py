"""deploy/inventory.py: all of a stack is found, and nothing of the stack beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from tests.unit.deploy.account import Account, bucket_of, open_account
from webui_async.contract.errors import NotAllowed
from webui_async.deploy.inventory import FINDERS, Names, ours

HOUSE = Names("house", "painter", bucket_of("house"), "house/x-inference")
#: Names that begin with the other's names, or hold them.
BESIDE = Names("house-2", "painter-2", bucket_of("house-2"), "house-2/x-inference")


@pytest.fixture
def account() -> Iterator[Account]:
    with open_account() as made:
        yield made


def fill(account: Account, known: Names) -> None:
    account.record(known.stack, known.endpoint)
    account.fill_leftovers(known)
    account.fill_resources(known)
    account.fill_functions(known)
    account.fill_endpoint(known.endpoint)


def test_one_thing_of_every_kind_is_found_and_none_of_the_neighbours(account: Account) -> None:
    fill(account, BESIDE)
    assert ours(account, HOUSE.stack, HOUSE.endpoint, image_repository=HOUSE.image_repository) == []

    fill(account, HOUSE)
    found = ours(account, HOUSE.stack, HOUSE.endpoint, image_repository=HOUSE.image_repository)

    assert {next(kind for kind in FINDERS if line.startswith(f"{kind} ")) for line in found} == set(FINDERS)
    assert not [line for line in found if "house-2" in line or "painter-2" in line]
    assert len(found) == len(set(found)) == 1 + 1 + 4 + 4 + 4 + 6 + 1 + 6 + 6 + 2 + 5 + 1 + 1 + 1 + 1 + 4


def test_a_bucket_of_another_name_is_looked_for_by_that_name(account: Account) -> None:
    account.fill_leftovers(Names("house", "painter", "pictures", "house/x-inference"))

    assert "S3 bucket pictures" not in ours(account, "house", "painter")
    assert "S3 bucket pictures" in ours(account, "house", "painter", "pictures")


def test_a_secret_that_is_only_scheduled_for_deletion_is_still_there(account: Account) -> None:
    account.fill_leftovers(HOUSE)
    account.client("secretsmanager").delete_secret(SecretId="house-callbacks", RecoveryWindowInDays=7)

    assert "secret house-callbacks" in ours(account, "house", "painter")


def test_a_service_that_may_not_be_asked_is_no_empty_one(account: Account) -> None:
    refusal = {"Error": {"Code": "AccessDenied", "Message": "no"}}

    class Refusing:
        def get_paginator(self, operation: str) -> None:
            raise ClientError(refusal, "ListRoles")  # type: ignore[arg-type]

    account.stubs["iam"] = Refusing()

    with pytest.raises(NotAllowed, match="grant iam:ListRoles"):
        ours(account, "house", "painter")
