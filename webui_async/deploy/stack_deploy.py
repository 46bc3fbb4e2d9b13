"""template.yaml becomes a stack: what would fail later is refused first, then `sam` does it."""

from __future__ import annotations

from collections.abc import Mapping

from webui_async.contract.errors import DeployFailed, NotAllowed, PipelineError
from webui_async.deploy import sam
from webui_async.deploy.aws_errors import told
from webui_async.deploy.clients import Clients
from webui_async.deploy.inventory import ENDPOINT, Names, default_bucket, find
from webui_async.deploy.making import Say
from webui_async.deploy.stack_record import StackRecord, first_failure, read_record

#: What the template names itself: CloudFormation makes none of these where one of the name is there already.
_NAMED = ("S3 bucket", "SQS queue", "SNS topic", "secret", "log group", "Lambda function")
#: A first deployment that failed. CloudFormation lets such a stack be deleted and nothing else.
_DEAD_ENDS = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED")
_UPDATE_STUCK = "UPDATE_ROLLBACK_FAILED"


def deploy_stack(clients: Clients, deployment: sam.Deployment, say: Say) -> dict[str, str]:
    """The stack's outputs, once it is deployed.

    say: called with every line that sam prints.
    Raises ToolMissing, DeployFailed, CredentialsRefused, NotAllowed and the other errors of the deployer.
    """
    tool = sam.find_tools()
    _refuse_what_would_fail(clients, deployment)
    sam.build(tool, deployment, say)
    try:
        sam.deploy(tool, deployment, say)
    except DeployFailed as error:
        raise _caused(clients, deployment.stack, error) from error
    return read_outputs(clients, deployment.stack)


def read_outputs(clients: Clients, stack: str) -> dict[str, str]:
    """What the stack says of itself, by the outputs' names."""
    with told("cloudformation"):
        (described,) = clients.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", ())}


def _refuse_what_would_fail(clients: Clients, deployment: sam.Deployment) -> None:
    """Nothing when CloudFormation would take the stack. Raises DeployFailed with what to do."""
    record = read_record(clients, deployment.stack)
    if record.is_there:
        _check_status(record)
    else:
        _check_nothing_in_the_way(clients, deployment)


def _check_status(record: StackRecord) -> None:
    stack, status = record.names.stack, record.status
    if status in _DEAD_ENDS:
        raise DeployFailed(
            f"stack {stack!r} is {status}, and CloudFormation takes no such stack up again: remove it with "
            f"`webui-async stack delete --stack {stack}`, then deploy"
        )
    if status == _UPDATE_STUCK:
        raise DeployFailed(
            f"stack {stack!r} is {status}: let CloudFormation finish with `aws cloudformation "
            f"continue-update-rollback --stack-name {stack}`, then deploy"
        )
    if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
        raise DeployFailed(
            f"stack {stack!r} is {status}: somebody is changing it. Wait for its end, then deploy"
        )


def _check_nothing_in_the_way(clients: Clients, deployment: sam.Deployment) -> None:
    known = _names(clients, deployment.stack, deployment.parameters)
    there = [f"{kind} {name}" for kind in _NAMED for name in _find_if_allowed(clients, known, kind)]
    if there:
        raise DeployFailed(
            f"there is no stack {known.stack!r}, but of an earlier one there is {', '.join(there)}. "
            f"CloudFormation makes none of them twice: remove them with `webui-async stack delete --stack "
            f"{known.stack} --with-bucket`, or deploy under another name, or keep the bucket and say "
            "--parameter BucketName=ANOTHER"
        )


def _find_if_allowed(clients: Clients, known: Names, kind: str) -> list[str]:
    try:
        return find(clients, known, kind)
    except NotAllowed:  # whoever may deploy need not be allowed to list; CloudFormation will say it
        return []


def _names(clients: Clients, stack: str, parameters: Mapping[str, str]) -> Names:
    return Names(
        stack,
        parameters.get("EndpointName", ENDPOINT),
        parameters.get("BucketName") or default_bucket(clients, stack),
    )


def _caused(clients: Clients, stack: str, error: DeployFailed) -> PipelineError:
    """The error with the resource that CloudFormation stumbled over, when it did."""
    try:
        failed = first_failure(clients, stack)
    except PipelineError:  # there is no stack, or nobody may ask
        return error
    if failed is None:
        return error
    return DeployFailed(
        f"CloudFormation could not make {failed.name} ({failed.type}) of stack {stack!r}: {failed.reason}"
    )
