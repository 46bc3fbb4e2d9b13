"""An endpoint from Python, as a notebook deploys it: plan, apply, look, delete.

aws = Aws()
plan = plan_endpoint(spec, aws)
print(plan.text())
apply_plan(plan, aws, say=print)
"""

from __future__ import annotations

from webui_async.deploy.apply import Applying
from webui_async.deploy.clients import Clients
from webui_async.deploy.delete import delete
from webui_async.deploy.described import describe
from webui_async.deploy.making import Clock, Say, settle
from webui_async.deploy.materials import read_newest
from webui_async.deploy.plan import Plan, make_plan
from webui_async.deploy.requests import settle_s
from webui_async.deploy.spec import EndpointSpec
from webui_async.deploy.stack import StackOutputs
from webui_async.deploy.stack_record import read_record
from webui_async.deploy.status import Status, read_status


def plan_endpoint(spec: EndpointSpec, aws: Clients) -> Plan:
    """What apply would do now; nothing is changed. Raises the error that stands in the way."""
    return make_plan(spec, describe(aws, spec))


def apply_plan(plan: Plan, aws: Clients, say: Say, *, wait: bool = True, clock: Clock | None = None) -> bool:
    """True when all is made; False when the rest has to wait for SageMaker, and `wait` says not to.

    say: called with a line for each step.
    After any error or interruption, plan and apply again: it goes on where it stopped.
    Raises EndpointFailed, UpdateRolledBack, WaitedTooLong, and what AWS refuses.
    """
    return Applying(aws, say, clock or Clock(), wait).run(plan)


def wait_until_calm(spec: EndpointSpec, aws: Clients, say: Say, clock: Clock | None = None) -> None:
    """Until no change of the endpoint is under way, such as one of a run before. Raises WaitedTooLong."""
    name = spec.name or endpoint_of(aws, spec.stack)
    settle(aws, name, settle_s(spec), clock or Clock(), say, lambda _: True)


def endpoint_status(aws: Clients, stack: str, clock: Clock | None = None) -> Status:
    """How the stack's endpoint is. Raises EndpointMissing."""
    return read_status(aws, endpoint_of(aws, stack), (clock or Clock()).now())


def delete_endpoint(
    aws: Clients, stack: str, say: Say, *, logs: bool = False, clock: Clock | None = None
) -> None:
    """Nothing is left of the stack's endpoint. logs: what it printed goes too. Raises EndpointNameTaken."""
    outputs = StackOutputs.read(aws.client("cloudformation"), stack)
    delete(aws, outputs.endpoint, outputs.bucket, say, logs=logs, clock=clock)


def newest_image(aws: Clients, stack: str) -> str:
    """The image that was pushed last to the stack's repository, by its tag. Raises ImageMissing."""
    return read_newest(aws.client("ecr"), read_record(aws, stack).names.image_repository)


def endpoint_of(aws: Clients, stack: str) -> str:
    """The name of the stack's endpoint. Raises StackMissing."""
    return StackOutputs.read(aws.client("cloudformation"), stack).endpoint
