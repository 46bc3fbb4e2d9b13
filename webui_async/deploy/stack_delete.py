"""Takes a stack away, with what CloudFormation leaves behind, and looks whether any of it is still there.

Each step does nothing where there is nothing to do, so a run that was broken off is finished by the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from webui_async.contract.errors import EndpointExists, StackNotDeleted
from webui_async.deploy.aws_errors import GO_ON, is_absent, told
from webui_async.deploy.clients import Clients
from webui_async.deploy.inventory import Names, find, lines
from webui_async.deploy.making import Clock, Say
from webui_async.deploy.stack_record import StackRecord, first_failure, read_record, read_status
from webui_async.packager.s3_errors import code_of

#: A stack with a REST API and a bucket takes some minutes.
_DELETE_TIMEOUT_S = 1800.0
#: SQS lists a deleted queue for up to a minute, and IAM takes its time too.
_SWEEP_TIMEOUT_S = 120.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0
#: Tries to empty a bucket that somebody still writes to.
_EMPTYINGS = 3

#: What `webui-async endpoint delete` removes, and nobody else.
_OF_THE_ENDPOINT = ("SageMaker endpoint", "endpoint configuration", "SageMaker model", "scalable target")


@dataclass(frozen=True)
class Wanted:
    """What goes besides the stack."""

    bucket: bool = False
    images: bool = False


@dataclass(frozen=True)
class Remains:
    """What AWS lists in the end."""

    left: tuple[str, ...]  #: ours, and unasked for
    kept: tuple[str, ...]  #: what the caller did not want to go


def delete_stack(
    clients: Clients, stack: str, wanted: Wanted, say: Say, clock: Clock | None = None
) -> Remains:
    """The stack is deleted, and what is wanted with it. Gives what AWS lists of ours all the same.

    say: called with one line per thing that is removed.
    Raises EndpointExists, StackNotDeleted, NotAllowed and the other errors of the deployer.
    """
    clock = clock or Clock()
    record = read_record(clients, stack)
    _refuse_while_drawing(clients, record.names)
    if record.is_there:
        _delete(clients, record, say, clock)
    for kind in _LEFT_BEHIND:
        if kind not in _kept_kinds(wanted):
            _remove(clients, record.names, kind, say)
    return _sweep(clients, record.names, wanted, clock)


def _refuse_while_drawing(clients: Clients, known: Names) -> None:
    """Raises EndpointExists: an endpoint without its stack has no role to write with, and costs on."""
    found = [f"{kind} {name}" for kind in _OF_THE_ENDPOINT for name in find(clients, known, kind)]
    if found:
        raise EndpointExists(
            f"stack {known.stack!r} has an endpoint that is not deleted yet ({', '.join(found)}): "
            f"delete it first, with `webui-async endpoint delete --name {known.endpoint}`"
        )


def _delete(clients: Clients, record: StackRecord, say: Say, clock: Clock) -> None:
    assert record.id is not None
    say(f"deleting CloudFormation stack {record.names.stack}")
    with told("cloudformation"):
        clients.client("cloudformation").delete_stack(StackName=record.id)
    pauses, deadline = _pauses(), clock.now() + _DELETE_TIMEOUT_S
    while (status := read_status(clients, record.id)) != "DELETE_COMPLETE":
        if status == "DELETE_FAILED":
            raise _not_deleted(clients, record)
        if clock.now() > deadline:
            raise StackNotDeleted(
                f"stack {record.names.stack!r} is {status} after {_DELETE_TIMEOUT_S / 60:g} minutes. {GO_ON}"
            )
        clock.sleep(next(pauses))


def _not_deleted(clients: Clients, record: StackRecord) -> StackNotDeleted:
    assert record.id is not None
    failed = first_failure(clients, record.id)
    cause = f" because of {failed.name} ({failed.type}): {failed.reason}" if failed else ""
    return StackNotDeleted(
        f"CloudFormation could not delete stack {record.names.stack!r}{cause}. "
        f"Remove what stands in the way. {GO_ON}"
    )


def _pauses() -> Iterator[float]:
    """Seconds to wait between two looks, longer and longer."""
    pause = _FIRST_PAUSE_S
    while True:
        yield pause
        pause = min(_LONGEST_PAUSE_S, pause * 1.5)


# What CloudFormation leaves behind -------------------------------------------------------------------------


def _remove(clients: Clients, known: Names, kind: str, say: Say) -> None:
    service, remove = _LEFT_BEHIND[kind]
    for name in find(clients, known, kind):
        with told(service):
            try:
                remove(clients.client(service), name)
            except ClientError as error:
                if not is_absent(error):  # or somebody was faster
                    raise
        say(f"removed {kind} {name}")


def _remove_bucket(s3: Any, bucket: str) -> None:
    for number in range(_EMPTYINGS):
        _empty(s3, bucket)
        try:
            s3.delete_bucket(Bucket=bucket)
        except ClientError as error:
            if code_of(error) != "BucketNotEmpty" or number + 1 == _EMPTYINGS:
                raise
        else:
            return


def _empty(s3: Any, bucket: str) -> None:
    """Every version of every object goes, and every upload that never ended."""
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", ()):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        objects = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
        if objects:  # a page's worth is what DeleteObjects takes
            _delete_objects(s3, bucket, objects)


def _delete_objects(s3: Any, bucket: str, objects: list[dict[str, str]]) -> None:
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
    for failed in answer.get("Errors", ()):
        why: Any = {"Code": failed["Code"], "Message": f"{failed.get('Message', '')} ({failed['Key']})"}
        raise ClientError({"Error": why}, "DeleteObjects")


#: Kind -> the service and the call that removes one of it by name. The bucket outlives the stack by its
#: DeletionPolicy, the images are not the template's, and of the others CloudFormation may leave some.
_LEFT_BEHIND: dict[str, tuple[str, Callable[[Any, str], object]]] = {
    "S3 bucket": ("s3", _remove_bucket),
    "ECR repository": ("ecr", lambda ecr, name: ecr.delete_repository(repositoryName=name, force=True)),
    "log group": ("logs", lambda logs, name: logs.delete_log_group(logGroupName=name)),
    "CloudWatch alarm": ("cloudwatch", lambda cloudwatch, name: cloudwatch.delete_alarms(AlarmNames=[name])),
    # One that is only scheduled for deletion is listed for a week and more, and its name is taken.
    "secret": (
        "secretsmanager",
        lambda secrets, name: secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True),
    ),
    "SNS subscription": ("sns", lambda sns, arn: sns.unsubscribe(SubscriptionArn=arn)),
}

# What is there in the end ---------------------------------------------------------------------------------


def _sweep(clients: Clients, known: Names, wanted: Wanted, clock: Clock) -> Remains:
    """What is listed, asked again for a while: services list what is gone for a minute."""
    pauses, deadline = _pauses(), clock.now() + _SWEEP_TIMEOUT_S
    while True:
        remains = _look(clients, known, wanted)
        if not remains.left or clock.now() > deadline:
            return remains
        clock.sleep(next(pauses))


def _look(clients: Clients, known: Names, wanted: Wanted) -> Remains:
    listed = lines(clients, known)
    kept = tuple(line for line in listed if line.startswith(_kept_kinds(wanted)))
    return Remains(tuple(line for line in listed if line not in kept), kept)


def _kept_kinds(wanted: Wanted) -> tuple[str, ...]:
    kept = {"S3 bucket": not wanted.bucket, "ECR repository": not wanted.images}
    return tuple(kind for kind, is_kept in kept.items() if is_kept)
