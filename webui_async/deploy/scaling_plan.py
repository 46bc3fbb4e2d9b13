"""The calls that make what is registered for an endpoint's scaling what it is to be. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from webui_async.contract.errors import UnknownScaling
from webui_async.contract.scaling import Scaling, StepScaling, TargetTracking
from webui_async.deploy import names
from webui_async.deploy.calls import CHANGE, CREATE, DELETE, Call, counted
from webui_async.deploy.described import Registered
from webui_async.deploy.scaling_calls import DIMENSION, SERVICE, read_scaling, scaling_requests

AUTOSCALING, CLOUDWATCH = "application-autoscaling", "cloudwatch"
#: Somebody may have switched scaling off by hand.
_AWAKE = {
    "DynamicScalingInSuspended": False,
    "DynamicScalingOutSuspended": False,
    "ScheduledScalingSuspended": False,
}


def scaling_calls(
    name: str, wanted: Scaling, registered: Registered, tags: Mapping[str, str]
) -> Iterator[Call]:
    """In order; none where all is as it is to be. Policies that are not ours stay."""
    now, is_understood = _read(name, registered)
    verb = CHANGE if registered.targets else CREATE
    requests = scaling_requests(wanted, name, names.VARIANT, None if registered.targets else tags)
    bounds = f"{wanted.min_capacity} to {counted(wanted.max_capacity)}"
    if now is None or (now.min_capacity, now.max_capacity) != (wanted.min_capacity, wanted.max_capacity):
        target = requests.target if is_understood else requests.target | {"SuspendedState": _AWAKE}
        yield Call(AUTOSCALING, "RegisterScalableTarget", target, verb, f"scaling of {name}: {bounds}")
    kept: set[TargetTracking | StepScaling] = {*now.target_tracking, *now.steps} if now else set()
    held = {policy["PolicyName"] for policy in registered.policies}
    alarms = {alarm["AlarmName"] for alarm in registered.alarms}
    policies: list[TargetTracking | StepScaling] = [*wanted.target_tracking, *wanted.steps]
    for policy, request in zip(policies, requests.policies, strict=True):
        if policy in kept:
            continue
        verb = CHANGE if policy.name in held else CREATE
        yield Call(AUTOSCALING, "PutScalingPolicy", request, verb, _policy_sentence(request))
        for alarm in requests.alarms:
            if alarm["AlarmName"] == policy.name:
                verb = CHANGE if policy.name in alarms else CREATE
                told = f"alarm {policy.name}: jobs wait and there is no instance"
                yield Call(CLOUDWATCH, "PutMetricAlarm", alarm, verb, told, sets_off=policy.name)
    if not wanted.steps:
        yield from _without_step(name, registered)


def deregister_calls(name: str, registered: Registered) -> Iterator[Call]:
    """The scalable target, and with it its policies, and our alarm."""
    if registered.targets:
        place = {
            "ServiceNamespace": SERVICE,
            "ResourceId": names.resource_id(name),
            "ScalableDimension": DIMENSION,
        }
        yield Call(
            AUTOSCALING, "DeregisterScalableTarget", place, DELETE, f"scaling of {name}, with its policies"
        )
    yield from _delete_alarms(registered)


def _without_step(name: str, registered: Registered) -> Iterator[Call]:
    """An endpoint that is never at zero needs no way out of it."""
    policy = names.step_policy(name)
    if any(each["PolicyName"] == policy for each in registered.policies):
        which = {
            "PolicyName": policy,
            "ServiceNamespace": SERVICE,
            "ResourceId": names.resource_id(name),
            "ScalableDimension": DIMENSION,
        }
        yield Call(AUTOSCALING, "DeleteScalingPolicy", which, DELETE, f"policy {policy}")
    yield from _delete_alarms(registered)


def _delete_alarms(registered: Registered) -> Iterator[Call]:
    for alarm in registered.alarms:
        name = alarm["AlarmName"]
        yield Call(CLOUDWATCH, "DeleteAlarms", {"AlarmNames": [name]}, DELETE, f"alarm {name}")


def foreign_policies(name: str, registered: Registered) -> list[str]:
    """Policies of the variant that somebody else put."""
    ours = (names.tracking_policy(name), names.step_policy(name))
    return [policy["PolicyName"] for policy in registered.policies if policy["PolicyName"] not in ours]


def registered_scaling(name: str, registered: Registered) -> Scaling | None:
    """What is registered of ours; None when nothing is, or what is was changed past understanding."""
    return _read(name, registered)[0]


def _read(name: str, registered: Registered) -> tuple[Scaling | None, bool]:
    foreign = foreign_policies(name, registered)
    ours = [policy for policy in registered.policies if policy["PolicyName"] not in foreign]
    try:
        return read_scaling(registered.targets, ours, registered.alarms, name, names.VARIANT), True
    except UnknownScaling:
        return None, False


def _policy_sentence(request: Mapping[str, object]) -> str:
    name = request["PolicyName"]
    config = request.get("TargetTrackingScalingPolicyConfiguration")
    if isinstance(config, dict):
        return f"policy {name}: {config['TargetValue']:g} jobs per instance"
    return f"policy {name}: one more instance while the alarm stands"
