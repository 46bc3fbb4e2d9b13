"""Scaling in AWS's words and back: Scaling <-> what Application Auto Scaling and CloudWatch are told.

    requests = scaling_requests(scaling, "webui-async", "gpu")
    autoscaling.register_scalable_target(**requests.target)
    for policy in requests.policies:
        arn = autoscaling.put_scaling_policy(**policy)["PolicyARN"]
        for alarm in requests.alarms_of(policy["PolicyName"], arn):
            cloudwatch.put_metric_alarm(**alarm)

Source: SageMaker developer guide, "Autoscale an asynchronous endpoint".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from webui_async.contract.errors import UnknownScaling
from webui_async.contract.scaling import (
    BACKLOG_PER_INSTANCE,
    HAS_BACKLOG_WITHOUT_CAPACITY,
    PERIOD_S,
    Scaling,
    StepScaling,
    TargetTracking,
)

SERVICE, DIMENSION, NAMESPACE = "sagemaker", "sagemaker:variant:DesiredInstanceCount", "AWS/SageMaker"
_STEP, _TRACKING = "StepScaling", "TargetTrackingScaling"
_METRIC = "CustomizedMetricSpecification"
#: What a policy waits when nothing is said. Source: Application Auto Scaling API, Cooldown.
_COOLDOWN_S = 300.0
_SUSPENDED = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended")
#: One point a period, so these are the same.
_STATISTICS = ("Average", "Maximum", "Minimum")


@dataclass(frozen=True)
class ScalingRequests:
    """The parameters of the calls that register a Scaling, in the order in which they are made."""

    target: dict[str, Any]  #: RegisterScalableTarget
    policies: tuple[dict[str, Any], ...]  #: PutScalingPolicy, each
    #: PutMetricAlarm, each; the alarm bears the name of the policy that it is to set off
    alarms: tuple[dict[str, Any], ...]

    def alarms_of(self, policy: str, policy_arn: str) -> list[dict[str, Any]]:
        """The alarms that set the policy off, complete. Its ARN is known once PutScalingPolicy answered."""
        return [
            alarm | {"AlarmActions": [policy_arn]} for alarm in self.alarms if alarm["AlarmName"] == policy
        ]


def resource_id(endpoint: str, variant: str) -> str:
    """What Application Auto Scaling calls the variant."""
    return f"endpoint/{endpoint}/variant/{variant}"


def scaling_requests(
    scaling: Scaling, endpoint: str, variant: str, tags: Mapping[str, str] | None = None
) -> ScalingRequests:
    """The calls that register `scaling` for the variant.

    tags: only for what is made now: AWS takes none for a target or an alarm that exists.
    """
    scaled = {
        "ServiceNamespace": SERVICE,
        "ResourceId": resource_id(endpoint, variant),
        "ScalableDimension": DIMENSION,
    }
    bounds = {"MinCapacity": scaling.min_capacity, "MaxCapacity": scaling.max_capacity}
    target = scaled | bounds | ({"Tags": dict(tags)} if tags else {})
    listed = {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]} if tags else {}
    return ScalingRequests(
        target,
        (
            *(scaled | _tracking_policy(policy, endpoint) for policy in scaling.target_tracking),
            *(scaled | _step_policy(policy) for policy in scaling.steps),
        ),
        tuple(_alarm(policy, endpoint) | listed for policy in scaling.steps),
    )


def _tracking_policy(policy: TargetTracking, endpoint: str) -> dict[str, Any]:
    return {
        "PolicyName": policy.name,
        "PolicyType": _TRACKING,
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": float(policy.target),
            _METRIC: _metric(BACKLOG_PER_INSTANCE, endpoint) | {"Statistic": "Average"},
            "ScaleOutCooldown": int(policy.scale_out_cooldown_s),
            "ScaleInCooldown": int(policy.scale_in_cooldown_s),
        },
    }


def _step_policy(policy: StepScaling) -> dict[str, Any]:
    return {
        "PolicyName": policy.name,
        "PolicyType": _STEP,
        "StepScalingPolicyConfiguration": {
            "AdjustmentType": "ChangeInCapacity",
            "MetricAggregationType": "Average",
            "StepAdjustments": [
                {"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": int(policy.adjustment)}
            ],
            "Cooldown": int(policy.cooldown_s),
        },
    }


def _alarm(policy: StepScaling, endpoint: str) -> dict[str, Any]:
    return {
        "AlarmName": policy.name,
        **_metric(HAS_BACKLOG_WITHOUT_CAPACITY, endpoint),
        "Statistic": "Average",
        "Period": int(PERIOD_S),
        "EvaluationPeriods": policy.evaluation_periods,
        "DatapointsToAlarm": policy.datapoints_to_alarm,
        "Threshold": float(policy.threshold),
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "missing",
    }


def _metric(name: str, endpoint: str) -> dict[str, Any]:
    dimensions = [{"Name": "EndpointName", "Value": endpoint}]
    return {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": dimensions}


def read_scaling(
    targets: Iterable[Mapping[str, Any]],
    policies: Iterable[Mapping[str, Any]],
    alarms: Iterable[Mapping[str, Any]],
    endpoint: str,
    variant: str,
) -> Scaling | None:
    """What is registered for the variant; None when it is no scalable target.

    targets, policies, alarms: of DescribeScalableTargets, DescribeScalingPolicies and DescribeAlarms; what
    belongs to others is left out, and so is a step policy that no alarm sets off.
    Raises UnknownScaling for what contract/scaling.py has no rule for.
    """
    place = resource_id(endpoint, variant)
    target = next((each for each in targets if _is_of(each, place)), None)
    if target is None:
        return None
    suspended = target.get("SuspendedState") or {}
    for name in _SUSPENDED:
        _expect(f"the scalable target {place}", name, suspended.get(name) or False, False)
    mine = sorted(
        (each for each in policies if _is_of(each, place)), key=lambda each: str(each["PolicyName"])
    )
    return Scaling(
        min_capacity=target["MinCapacity"],
        max_capacity=target["MaxCapacity"],
        target_tracking=tuple(_read_tracking(each, endpoint) for each in _of_type(_TRACKING, mine)),
        steps=tuple(_read_steps(_of_type(_STEP, mine), list(alarms), endpoint)),
    )


def _is_of(described: Mapping[str, Any], place: str) -> bool:
    return bool(described["ResourceId"] == place and described["ScalableDimension"] == DIMENSION)


def _of_type(kind: str, policies: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for policy in policies:
        _expect(f"policy {policy['PolicyName']}", "PolicyType", policy["PolicyType"], _TRACKING, _STEP)
        if policy["PolicyType"] == kind:
            yield policy


def _read_tracking(policy: Mapping[str, Any], endpoint: str) -> TargetTracking:
    name, config = policy["PolicyName"], policy["TargetTrackingScalingPolicyConfiguration"]
    where = f"policy {name}"
    _expect(where, "DisableScaleIn", config.get("DisableScaleIn") or False, False)
    _expect_metric(where, config.get(_METRIC) or {}, BACKLOG_PER_INSTANCE, endpoint)
    return TargetTracking(
        name=name,
        target=float(config["TargetValue"]),
        scale_out_cooldown_s=float(config.get("ScaleOutCooldown", _COOLDOWN_S)),
        scale_in_cooldown_s=float(config.get("ScaleInCooldown", _COOLDOWN_S)),
    )


def _read_steps(
    policies: Iterable[Mapping[str, Any]], alarms: Iterable[Mapping[str, Any]], endpoint: str
) -> Iterator[StepScaling]:
    """One for each alarm that sets a policy off."""
    for policy in policies:
        _expect_one_step_up(policy)
        for alarm in alarms:
            if alarm.get("ActionsEnabled", True) and policy["PolicyARN"] in alarm.get("AlarmActions", ()):
                _expect_alarm(alarm, endpoint)
                yield _read_step(policy, alarm)


def _read_step(policy: Mapping[str, Any], alarm: Mapping[str, Any]) -> StepScaling:
    config = policy["StepScalingPolicyConfiguration"]
    return StepScaling(
        name=policy["PolicyName"],
        evaluation_periods=alarm["EvaluationPeriods"],
        datapoints_to_alarm=alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"],
        threshold=float(alarm["Threshold"]),
        adjustment=config["StepAdjustments"][0]["ScalingAdjustment"],
        cooldown_s=float(config.get("Cooldown", _COOLDOWN_S)),
    )


def _expect_one_step_up(policy: Mapping[str, Any]) -> None:
    where, config = f"policy {policy['PolicyName']}", policy["StepScalingPolicyConfiguration"]
    _expect(where, "AdjustmentType", config.get("AdjustmentType"), "ChangeInCapacity")
    steps = [
        (
            step.get("MetricIntervalLowerBound"),
            step.get("MetricIntervalUpperBound"),
            step["ScalingAdjustment"] > 0,
        )
        for step in config.get("StepAdjustments", ())
    ]
    _expect(where, "StepAdjustments (from, to, is up)", steps, [(0.0, None, True)])


def _expect_alarm(alarm: Mapping[str, Any], endpoint: str) -> None:
    where = f"alarm {alarm['AlarmName']}"
    _expect_metric(where, alarm, HAS_BACKLOG_WITHOUT_CAPACITY, endpoint)
    _expect(where, "Period", alarm.get("Period"), int(PERIOD_S))
    operator = alarm.get("ComparisonOperator")
    _expect(where, "ComparisonOperator", operator, "GreaterThanOrEqualToThreshold")


def _expect_metric(where: str, described: Mapping[str, Any], metric: str, endpoint: str) -> None:
    for name, value in _metric(metric, endpoint).items():
        _expect(where, name, described.get(name), value)
    _expect(where, "Statistic", described.get("Statistic"), *_STATISTICS)


def _expect(where: str, field: str, value: object, *known: object) -> None:
    if value not in known:
        raise UnknownScaling(where, field, value, known)
