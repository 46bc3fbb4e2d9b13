"""Scaling in AWS's words and back."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from moto import mock_aws

from webui_async.contract.errors import UnknownScaling
from webui_async.contract.scaling import Scaling, StepScaling, TargetTracking
from webui_async.deploy.scaling_calls import read_scaling, resource_id, scaling_requests
from webui_async.local.service_model import check_parameters

USUAL = Scaling(0, 2, (TargetTracking("sd-backlog", 8),), (StepScaling("sd-from-zero"),))
Described = dict[str, list[dict[str, Any]]]


def described(scaling: Scaling, endpoint: str = "sd") -> Described:
    """What AWS says once `scaling` is registered."""
    requests = scaling_requests(scaling, endpoint, "gpu")
    policies = [policy | {"PolicyARN": arn_of(policy)} for policy in requests.policies]
    alarms = [
        alarm
        for policy in policies
        for alarm in requests.alarms_of(policy["PolicyName"], policy["PolicyARN"])
    ]
    return {"targets": [requests.target], "policies": policies, "alarms": alarms}


def arn_of(policy: dict[str, Any]) -> str:
    return f"arn:aws:autoscaling::{policy['ResourceId']}:policyName/{policy['PolicyName']}"


def read(said: Described, endpoint: str = "sd", variant: str = "gpu") -> Scaling | None:
    return read_scaling(**said, endpoint=endpoint, variant=variant)


def any_scaling(dice: random.Random) -> Scaling:
    low = dice.randint(0, 3)
    return Scaling(
        low,
        low + dice.randint(0, 5),
        tuple(
            TargetTracking(
                f"track-{n}", dice.randint(1, 400) / 4, dice.randint(0, 9) * 60.0, dice.randint(0, 9) * 60.0
            )
            for n in range(dice.randint(0, 2))
        ),
        tuple(
            StepScaling(
                f"step-{n}",
                periods := dice.randint(1, 5),
                dice.randint(1, periods),
                float(dice.randint(1, 3)),
                dice.randint(1, 4),
                dice.randint(0, 9) * 60.0,
            )
            for n in range(dice.randint(0, 2))
        ),
    )


@pytest.mark.parametrize("seed", range(200))
def test_what_was_registered_reads_as_what_was_wanted(seed: int) -> None:
    wanted = any_scaling(random.Random(seed))
    ours, others = described(wanted), described(any_scaling(random.Random(seed + 1000)), endpoint="another")
    assert read({name: others[name] + ours[name] for name in ours}) == wanted


@mock_aws
def test_what_was_registered_with_the_services_reads_as_what_was_wanted() -> None:
    autoscaling, cloudwatch = boto3.client("application-autoscaling"), boto3.client("cloudwatch")
    requests = scaling_requests(USUAL, "sd", "gpu", {"webui-async:endpoint": "sd"})
    autoscaling.register_scalable_target(**requests.target)
    for policy in requests.policies:
        arn = autoscaling.put_scaling_policy(**policy)["PolicyARN"]
        for alarm in requests.alarms_of(policy["PolicyName"], arn):
            cloudwatch.put_metric_alarm(**alarm)
    service = {"ServiceNamespace": "sagemaker"}
    said = {
        "targets": autoscaling.describe_scalable_targets(**service)["ScalableTargets"],
        "policies": autoscaling.describe_scaling_policies(**service)["ScalingPolicies"],
        "alarms": cloudwatch.describe_alarms()["MetricAlarms"],
    }
    assert read(said) == USUAL


def test_the_requests_are_those_of_the_developer_guide() -> None:
    requests = scaling_requests(USUAL, "sd", "gpu", {"webui-async:endpoint": "sd"})
    backlog, from_zero = requests.policies
    scaled = ("sagemaker", "endpoint/sd/variant/gpu", "sagemaker:variant:DesiredInstanceCount")
    for request in (requests.target, backlog, from_zero):
        assert (request["ServiceNamespace"], request["ResourceId"], request["ScalableDimension"]) == scaled
    assert (requests.target["MinCapacity"], requests.target["MaxCapacity"]) == (0, 2)
    assert requests.target["Tags"] == {"webui-async:endpoint": "sd"}
    dimensions = [{"Name": "EndpointName", "Value": "sd"}]
    assert backlog["TargetTrackingScalingPolicyConfiguration"] == {
        "TargetValue": 8.0,
        "CustomizedMetricSpecification": {
            "MetricName": "ApproximateBacklogSizePerInstance",
            "Namespace": "AWS/SageMaker",
            "Dimensions": dimensions,
            "Statistic": "Average",
        },
        "ScaleOutCooldown": 300,
        "ScaleInCooldown": 600,
    }
    assert from_zero["StepScalingPolicyConfiguration"] == {
        "AdjustmentType": "ChangeInCapacity",
        "MetricAggregationType": "Average",
        "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
        "Cooldown": 300,
    }
    assert requests.alarms_of("sd-from-zero", "arn:of:the:policy") == [
        {
            "AlarmName": "sd-from-zero",
            "Namespace": "AWS/SageMaker",
            "MetricName": "HasBacklogWithoutCapacity",
            "Dimensions": dimensions,
            "Statistic": "Average",
            "Period": 60,
            "EvaluationPeriods": 2,
            "DatapointsToAlarm": 2,
            "Threshold": 1.0,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "missing",
            "AlarmActions": ["arn:of:the:policy"],
            "Tags": [{"Key": "webui-async:endpoint", "Value": "sd"}],
        }
    ]
    assert requests.alarms_of("sd-backlog", "arn:of:the:policy") == []


def test_no_request_is_one_that_aws_refuses() -> None:
    requests = scaling_requests(USUAL, "sd", "gpu", {"webui-async:endpoint": "sd"})
    model = boto3.client("application-autoscaling").meta.service_model
    check_parameters(requests.target, model.operation_model("RegisterScalableTarget"))
    for policy in requests.policies:
        check_parameters(policy, model.operation_model("PutScalingPolicy"))
    alarm = boto3.client("cloudwatch").meta.service_model.operation_model("PutMetricAlarm")
    for request in requests.alarms_of("sd-from-zero", "arn:of:the:policy"):
        check_parameters(request, alarm)


def test_a_variant_that_is_no_scalable_target_has_no_scaling() -> None:
    said = described(USUAL)
    assert read(said, endpoint="sd-2") is None
    assert read(said, variant="cpu") is None


def test_a_step_policy_that_no_alarm_sets_off_does_nothing() -> None:
    assert read(described(USUAL) | {"alarms": []}) == Scaling(0, 2, USUAL.target_tracking)


def test_an_alarm_whose_actions_are_disabled_sets_nothing_off() -> None:
    said = described(USUAL)
    said["alarms"][0]["ActionsEnabled"] = False
    assert read(said) == Scaling(0, 2, USUAL.target_tracking)


def test_what_a_policy_leaves_out_has_awss_defaults() -> None:
    said = described(USUAL)
    del tracking(said)["ScaleOutCooldown"], tracking(said)["ScaleInCooldown"], step(said)["Cooldown"]
    del said["alarms"][0]["DatapointsToAlarm"]
    assert read(said) == Scaling(
        0, 2, (TargetTracking("sd-backlog", 8, scale_in_cooldown_s=300),), (StepScaling("sd-from-zero"),)
    )


def tracking(said: Described) -> dict[str, Any]:
    policy = next(each for each in said["policies"] if each["PolicyName"] == "sd-backlog")
    config: dict[str, Any] = policy["TargetTrackingScalingPolicyConfiguration"]
    return config


def step(said: Described) -> dict[str, Any]:
    policy = next(each for each in said["policies"] if each["PolicyName"] == "sd-from-zero")
    config: dict[str, Any] = policy["StepScalingPolicyConfiguration"]
    return config


def suspend(said: Described) -> None:
    said["targets"][0]["SuspendedState"] = {"DynamicScalingOutSuspended": True}


def step_down(said: Described) -> None:
    step(said)["StepAdjustments"][0]["ScalingAdjustment"] = -1


def track_invocations(said: Described) -> None:
    tracking(said)["CustomizedMetricSpecification"] = {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (suspend, r"scalable target endpoint/sd/variant/gpu has DynamicScalingOutSuspended true"),
        (lambda it: it["policies"][0].update(PolicyType="PredictiveScaling"), "has PolicyType"),
        (lambda it: tracking(it).update(DisableScaleIn=True), "policy sd-backlog has DisableScaleIn true"),
        (track_invocations, "policy sd-backlog has Namespace null"),
        (lambda it: step(it).update(AdjustmentType="ExactCapacity"), '"ExactCapacity"; only "ChangeInCapa'),
        (lambda it: step(it).update(StepAdjustments=[]), "policy sd-from-zero has StepAdjustments"),
        (step_down, "policy sd-from-zero has StepAdjustments"),
        (lambda it: it["alarms"][0].update(Period=10), "alarm sd-from-zero has Period 10; only 60"),
        (lambda it: it["alarms"][0].update(Statistic="Sum"), 'Statistic "Sum"; only "Average" or "Maximum"'),
        (lambda it: it["alarms"][0].update(ComparisonOperator="LessThanThreshold"), "ComparisonOperator"),
        (lambda it: it["alarms"][0].update(MetricName="Invocations"), 'MetricName "Invocations"'),
        (lambda it: it["alarms"][0].update(Dimensions=[]), "alarm sd-from-zero has Dimensions"),
    ],
)
def test_what_the_rules_do_not_know_is_named(change: Callable[[Described], None], words: str) -> None:
    said = described(USUAL)
    change(said)
    with pytest.raises(UnknownScaling, match=words):
        read(said)


def test_a_variant_is_named_as_application_auto_scaling_names_it() -> None:
    assert resource_id("sd", "gpu") == "endpoint/sd/variant/gpu"
