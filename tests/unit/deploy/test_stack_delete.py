"""deploy/stack_delete.py: nothing is left that was not to be kept, and what is left is said."""

from __future__ import annotations

import io
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.unit.deploy.account import REGION, Account, FakeClock, bucket_of, open_account
from webui_async.cli import main
from webui_async.contract.errors import EndpointExists, NotAllowed, StackNotDeleted
from webui_async.deploy.inventory import Names, find, lines
from webui_async.deploy.stack_delete import Remains, Wanted, delete_stack
from webui_async.deploy.stack_record import read_record

HOUSE = Names("house", "painter", bucket_of("house"), "house/inference")
ALL = Wanted(bucket=True, images=True)
NOTHING = Remains((), ())


@pytest.fixture
def account() -> Iterator[Account]:
    with open_account() as made:
        yield made


@pytest.fixture
def house(account: Account) -> Account:
    """An account with a stack, whose own resources CloudFormation removes at once."""
    account.record("house", "painter")
    account.fill_leftovers(HOUSE)
    return account


def delete(
    account: Account, wanted: Wanted = ALL, clock: FakeClock | None = None
) -> tuple[Remains, list[str]]:
    said: list[str] = []
    remains = delete_stack(account, "house", wanted, said.append, clock or FakeClock())
    return remains, said


def test_everything_goes_and_each_thing_is_told(house: Account) -> None:
    there = lines(house, HOUSE)

    remains, said = delete(house)

    assert remains == NOTHING and lines(house, HOUSE) == []
    assert said == ["deleting CloudFormation stack house"] + [
        f"removed {line}"
        for kind in ("S3", "ECR", "log", "CloudW", "secret")
        for line in there
        if line.startswith(kind)
    ]


def test_bucket_and_images_stay_unless_they_are_wanted_gone(house: Account) -> None:
    remains, _ = delete(house, Wanted())

    kept = (f"S3 bucket {HOUSE.bucket}", *(f"ECR repository {name}" for name in HOUSE.image_repositories))
    assert remains == Remains((), kept)
    assert house.client("s3").list_objects_v2(Bucket=HOUSE.bucket)["KeyCount"] == 1


def test_doing_it_again_changes_nothing(house: Account) -> None:
    delete(house)
    house.asked.clear()

    assert delete(house) == (NOTHING, [])
    assert house.changes() == []


def test_a_later_run_removes_what_an_earlier_one_kept(account: Account) -> None:
    """CloudFormation tells of a deleted stack by which names it went."""
    known = Names("house", "other", "pictures", "own/inference")
    account.record("house", "other", BucketName="pictures", ImageRepository="own/inference")
    account.fill_leftovers(known)
    delete(account, Wanted())
    assert lines(account, known) != []

    assert delete(account)[0] == NOTHING
    assert lines(account, known) == []


def test_a_run_that_is_broken_off_anywhere_is_finished_by_the_next() -> None:
    number, is_over = 0, False
    while not is_over:
        with open_account() as account:
            account.record("house", "painter")
            account.fill_leftovers(HOUSE)
            with account.killed_before_change(number):
                is_over = delete(account)[0] == NOTHING
            assert len(account.changes()) == number or is_over
            assert delete(account)[0] == NOTHING and lines(account, HOUSE) == []
        number += 1
    assert number > 15, (
        "stack, bucket, two repositories, logs, alarms and the secret are changes of their own"
    )


# What stands in the way ------------------------------------------------------------------------------------


def test_an_endpoint_that_is_there_is_named_and_nothing_is_deleted(house: Account) -> None:
    house.fill_endpoint("painter")
    house.asked.clear()

    with pytest.raises(
        EndpointExists, match=r"SageMaker endpoint painter.*webui-async endpoint delete --name painter"
    ):
        delete(house)

    assert house.changes() == []


def test_what_is_left_of_an_endpoint_is_refused_too(house: Account) -> None:
    house.fill_endpoint("painter")
    house.client("sagemaker").delete_endpoint(EndpointName="painter")

    with pytest.raises(EndpointExists, match="SageMaker model painter-0123456789ab"):
        delete(house)


def test_an_endpoint_that_still_draws_keeps_its_bucket_though_the_stack_is_gone(house: Account) -> None:
    house.client("cloudformation").delete_stack(StackName="house")
    house.fill_endpoint("painter")

    with pytest.raises(EndpointExists):
        delete(house)
    assert find(house, HOUSE, "S3 bucket") == [HOUSE.bucket]


class Stuck:
    """A CloudFormation that deletes the stack only to a certain point."""

    meta = SimpleNamespace(region_name=REGION)

    def __init__(self, real: Any, statuses: list[str], events: list[dict[str, Any]]):
        self._real, self.statuses, self._events = real, statuses, events

    def describe_stacks(self, **request: Any) -> Any:
        answer = self._real.describe_stacks(**request)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        answer["Stacks"][0]["StackStatus"] = status
        return answer

    def delete_stack(self, **request: Any) -> None:
        assert request["StackName"].startswith("arn:"), "a stack of that name that came later is another one"

    def get_paginator(self, operation: str) -> Any:
        if operation == "describe_stack_events":
            return SimpleNamespace(paginate=lambda **_: [{"StackEvents": self._events}])
        return self._real.get_paginator(operation)


def event(name: str, kind: str, status: str, reason: str = "") -> dict[str, Any]:
    said = {"ResourceStatusReason": reason} if reason else {}
    return {"LogicalResourceId": name, "ResourceType": kind, "ResourceStatus": status, **said}


def test_a_stack_that_cannot_be_deleted_says_because_of_what(house: Account) -> None:
    stack = "AWS::CloudFormation::Stack"
    events = [  # newest first
        event("house", stack, "DELETE_FAILED", "The following resource(s) failed to delete: [EndpointRole]."),
        event("Api", "AWS::ApiGateway::RestApi", "DELETE_FAILED", "Resource deletion cancelled"),
        event(
            "EndpointRole",
            "AWS::IAM::Role",
            "DELETE_FAILED",
            "Cannot delete entity, must detach all policies",
        ),
        event("house", stack, "DELETE_IN_PROGRESS", "User Initiated"),
        event("Bucket", "AWS::S3::Bucket", "UPDATE_FAILED", "of last week"),
    ]
    house.stubs["cloudformation"] = Stuck(
        house.client("cloudformation"), ["CREATE_COMPLETE", "DELETE_IN_PROGRESS", "DELETE_FAILED"], events
    )

    with pytest.raises(StackNotDeleted, match=r"EndpointRole \(AWS::IAM::Role\): Cannot delete entity"):
        delete(house)
    assert find(house, HOUSE, "S3 bucket") == [HOUSE.bucket], "a stack that is there has its bucket"


def test_a_stack_that_takes_for_ever_is_told_with_where_it_is(house: Account) -> None:
    real = house.client("cloudformation")
    house.stubs["cloudformation"] = Stuck(real, ["CREATE_COMPLETE", "DELETE_IN_PROGRESS"], [])
    clock = FakeClock()

    with pytest.raises(
        StackNotDeleted, match=r"DELETE_IN_PROGRESS after 30 minutes\. Run the same command again"
    ):
        delete(house, clock=clock)
    assert 1800 < clock.now() < 1830


def test_what_is_listed_a_while_longer_is_waited_for(house: Account) -> None:
    """SQS lists a deleted queue for up to a minute."""
    sqs = house.client("sqs")
    url = sqs.create_queue(QueueName="house-events")["QueueUrl"]
    removed = []

    def meanwhile(now: float) -> None:
        if now > 60 and not removed:
            removed.append(now)
            sqs.delete_queue(QueueUrl=url)

    assert delete(house, clock=FakeClock(meanwhile))[0] == NOTHING
    assert removed


def test_what_stays_listed_is_left_in_the_end(house: Account) -> None:
    house.client("sqs").create_queue(QueueName="house-events")
    clock = FakeClock()

    assert delete(house, clock=clock)[0] == Remains(("SQS queue house-events",), ())
    assert 120 < clock.now() < 140


def test_a_permission_that_is_missing_is_named(house: Account) -> None:
    house.client("s3")
    real, refusal = house.client("logs"), {"Error": {"Code": "AccessDeniedException", "Message": "no"}}

    class Refusing:
        get_paginator = real.get_paginator

        def delete_log_group(self, **_: Any) -> None:
            raise ClientError(refusal, "DeleteLogGroup")  # type: ignore[arg-type]

    house.stubs["logs"] = Refusing()

    with pytest.raises(NotAllowed, match="grant logs:DeleteLogGroup"):
        delete(house)


# The bucket ------------------------------------------------------------------------------------------------


def test_a_bucket_is_emptied_of_versions_markers_pages_and_unfinished_uploads(house: Account) -> None:
    s3 = house.client("s3")
    s3.put_bucket_versioning(Bucket=HOUSE.bucket, VersioningConfiguration={"Status": "Enabled"})
    for number in range(1005):
        s3.put_object(Bucket=HOUSE.bucket, Key=f"many/{number}", Body=b"")
    s3.put_object(Bucket=HOUSE.bucket, Key="many/0", Body=b"again")
    s3.delete_object(Bucket=HOUSE.bucket, Key="many/1")
    s3.create_multipart_upload(Bucket=HOUSE.bucket, Key="packs/half")

    assert delete(house)[0] == NOTHING


def test_a_bucket_that_is_written_to_meanwhile_is_emptied_again(house: Account) -> None:
    s3, late = house.client("s3"), []

    def write_late(request: str) -> None:
        if request == "s3:DeleteBucket" and not late:
            late.append(request)
            s3.put_object(Bucket=HOUSE.bucket, Key="jobs/late/result.json", Body=b"")

    house.before = write_late

    assert delete(house)[0] == NOTHING and late


def test_an_object_that_may_not_go_is_named(house: Account) -> None:
    real = house.client("s3")

    class Locked:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def delete_objects(self, **request: Any) -> Any:
            key = request["Delete"]["Objects"][0]["Key"]
            return {"Errors": [{"Key": key, "Code": "AccessDenied", "Message": "Access Denied"}]}

    house.stubs["s3"] = Locked()

    with pytest.raises(NotAllowed, match="DeleteObjects"):
        delete(house)


# The names -------------------------------------------------------------------------------------------------


def test_a_stack_without_a_trace_is_called_as_the_template_calls_it(account: Account) -> None:
    record = read_record(account, "house")

    assert not record.is_there
    assert record.names == Names("house", "webui-async", bucket_of("house"), "webui-async-inference")


def test_a_stack_that_failed_before_it_had_outputs_goes_by_its_parameters(account: Account) -> None:
    given = [("EndpointName", "painter"), ("BucketName", ""), ("ImageRepository", "own/inference")]
    parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in given]
    described = {"StackId": "arn:1", "StackStatus": "ROLLBACK_COMPLETE", "Parameters": parameters}
    account.stubs["cloudformation"] = SimpleNamespace(describe_stacks=lambda **_: {"Stacks": [described]})

    record = read_record(account, "house")

    assert record.is_there
    assert record.names == Names("house", "painter", bucket_of("house"), "own/inference")


# The command -----------------------------------------------------------------------------------------------


def test_delete_needs_somebody_to_ask(
    house: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())

    assert main(["stack", "delete", "--stack", "house"]) == 1
    assert "say --yes to delete" in capsys.readouterr().err
    assert boto3.client("cloudformation").describe_stacks(StackName="house")["Stacks"]


@pytest.mark.parametrize(("typed", "is_deleted"), [("house", True), ("yes", False), ("", False)])
def test_delete_goes_on_when_the_stacks_name_is_typed(
    house: Account, monkeypatch: pytest.MonkeyPatch, typed: str, is_deleted: bool
) -> None:
    asked = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or typed)

    assert main(["stack", "delete", "--stack", "house", "--with-bucket"]) == (0 if is_deleted else 1)

    summaries = boto3.client("cloudformation").list_stacks()["StackSummaries"]
    assert (summaries[0]["StackStatus"] == "DELETE_COMPLETE") is is_deleted
    assert "the bucket with all jobs and models of 'house' in eu-central-1" in asked[0]


def test_delete_says_what_it_kept_and_what_sam_keeps(
    house: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stack", "delete", "--stack", "house", "--yes"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[-4:] == [
        f"kept: S3 bucket {HOUSE.bucket} (--with-bucket removes it)",
        "kept: ECR repository house/inference (--with-images removes it)",
        "AWS lists nothing else of this stack's",
        "the bucket of the stack aws-sam-cli-managed-default stays: all that sam deploys shares it",
    ]
