"""Makes a call of a plan, and waits until an endpoint has come to rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from webui_async.contract.errors import WaitedTooLong
from webui_async.deploy.aws_errors import GO_ON, is_absent, told
from webui_async.deploy.calls import DELETE, Call
from webui_async.deploy.clients import Clients
from webui_async.deploy.described import BUSY, describe_endpoint

Say = Callable[[str], None]
#: How often a busy endpoint is looked at, and how often a line tells that it still is.
POLL_S, SAY_S = 10.0, 60.0
#: Application Auto Scaling may take seconds to know what it was told. Source: RegisterScalableTarget.
_TRIES, _BETWEEN_TRIES_S = 6, 2.0


@dataclass(frozen=True)
class Clock:
    """The time, and how to let it pass."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


@dataclass
class Maker:
    """Makes calls, one after another."""

    aws: Clients
    clock: Clock = field(default_factory=Clock)
    _policy_arns: dict[str, str] = field(
        default_factory=dict
    )  # policy -> ARN, as its PutScalingPolicy answered

    def make(self, call: Call) -> None:
        """Make it. What is there already is not made, and what is gone already not deleted: both are well.

        Raises NotAllowed, QuotaExceeded, AwsUnreachable and their like.
        """
        parameters = dict(call.parameters)
        if call.sets_off:
            parameters["AlarmActions"] = [self._policy_arns[call.sets_off]]
        method = getattr(self.aws.client(call.service), xform_name(call.operation))
        for left in reversed(range(_TRIES)):
            with told(call.service):
                try:
                    answer = method(**parameters)
                    break
                except ClientError as error:
                    if _is_done(call, error):
                        return
                    if left == 0 or not (call.operation == "PutScalingPolicy" and is_absent(error)):
                        raise
            self.clock.sleep(_BETWEEN_TRIES_S)
        if call.operation == "PutScalingPolicy":
            self._policy_arns[parameters["PolicyName"]] = answer["PolicyARN"]


def _is_done(call: Call, error: ClientError) -> bool:
    """Whether the refusal says that the call has nothing to do any more.

    Models and configurations are named after their content, so one of that name is the right one.
    """
    if call.verb == DELETE:
        return is_absent(error)
    is_there = "already existing" in str(error) or "already exists" in str(error)
    return call.operation in ("CreateModel", "CreateEndpointConfig") and is_there


def settle(
    aws: Clients,
    name: str,
    timeout_s: float,
    clock: Clock,
    say: Say,
    is_at_rest: Callable[[Mapping[str, Any]], bool],
) -> Mapping[str, Any] | None:
    """What DescribeEndpoint says once the endpoint is at rest; None once it is gone.

    is_at_rest: asked of every answer whose status is not one of BUSY. Raises WaitedTooLong after `timeout_s`.
    """
    started = clock.now()
    said = started
    while True:
        with told("sagemaker"):
            described = describe_endpoint(aws.client("sagemaker"), name)
        if described is None or (described["EndpointStatus"] not in BUSY and is_at_rest(described)):
            return described
        waited, status = clock.now() - started, described["EndpointStatus"]
        if waited > timeout_s:
            raise WaitedTooLong(
                f"endpoint {name!r} is {status} after {waited:.0f} s. Look at it with "
                f"`webui-async endpoint status` and `logs`. {GO_ON}"
            )
        if clock.now() - said >= SAY_S:
            said = clock.now()
            say(f"endpoint {name} is {status}, since {waited:.0f} s")
        clock.sleep(POLL_S)
