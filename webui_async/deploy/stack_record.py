"""What CloudFormation remembers of a stack, also of one that is deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from webui_async.deploy.aws_errors import is_absent, told
from webui_async.deploy.clients import Clients
from webui_async.deploy.inventory import ENDPOINT, IMAGE_REPOSITORY, Names, default_bucket

_FAILED = "_FAILED"
#: What CloudFormation says of resources that it stopped because another failed.
_CANCELLED = "cancelled"


@dataclass(frozen=True)
class StackRecord:
    """A stack, or what is known of one that CloudFormation knows no more."""

    id: str | None  #: None when there is no trace of it
    status: str
    names: Names

    @property
    def is_there(self) -> bool:
        return self.id is not None and self.status != "DELETE_COMPLETE"


def read_record(clients: Clients, stack: str) -> StackRecord:
    """The stack by its name: as it is, else as it was when it was deleted, else by the template's defaults.

    So a delete that was broken off finds the bucket's and the endpoint's name again, for 90 days.
    """
    cloudformation = clients.client("cloudformation")
    with told("cloudformation"):
        described = _describe(cloudformation, stack) or _last_deleted(cloudformation, stack) or {}
    said = {one["ParameterKey"]: one["ParameterValue"] for one in described.get("Parameters", ())}
    said |= {one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", ())}
    known = Names(
        stack,
        said.get("EndpointName") or ENDPOINT,
        said.get("BucketName") or default_bucket(clients, stack),
        said.get("ImageRepository") or IMAGE_REPOSITORY,
    )
    return StackRecord(described.get("StackId"), described.get("StackStatus", "DELETE_COMPLETE"), known)


def read_status(clients: Clients, stack_id: str) -> str:
    """CloudFormation's own word for where the stack is."""
    with told("cloudformation"):
        described = _describe(clients.client("cloudformation"), stack_id)
    return str(described["StackStatus"]) if described else "DELETE_COMPLETE"


@dataclass(frozen=True)
class FailedResource:
    """A resource that CloudFormation could not make, change or remove."""

    name: str  #: in the template
    type: str
    reason: str
    physical_name: str = ""


def first_failure(clients: Clients, stack: str) -> FailedResource | None:
    """What the stack's last change failed at; None when its events name nothing."""
    found = None
    with told("cloudformation"):
        pages = (
            clients.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack)
        )
        for event in (one for page in pages for one in page["StackEvents"]):  # newest first
            if event.get("ResourceType") == "AWS::CloudFormation::Stack":
                if event.get("ResourceStatusReason") == "User Initiated":
                    break
                continue
            reason = event.get("ResourceStatusReason", "")
            if event["ResourceStatus"].endswith(_FAILED) and _CANCELLED not in reason:
                found = FailedResource(
                    event["LogicalResourceId"],
                    event["ResourceType"],
                    reason,
                    event.get("PhysicalResourceId", ""),
                )
    return found


def _describe(cloudformation: Any, stack: str) -> dict[str, Any] | None:
    try:
        (described,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if not is_absent(error):
            raise
        return None
    return dict(described)


def _last_deleted(cloudformation: Any, stack: str) -> dict[str, Any] | None:
    pages = cloudformation.get_paginator("list_stacks").paginate(StackStatusFilter=["DELETE_COMPLETE"])
    for page in pages:  # newest first
        for summary in page["StackSummaries"]:
            if summary["StackName"] == stack:
                return _describe(cloudformation, summary["StackId"])
    return None
