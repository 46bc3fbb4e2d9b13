"""Capacities follow the policies that are registered with the control plane, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from webui_async.contract.scaling import PERIOD_S, Scaling, StepScaling, TargetTracking
from webui_async.local.autoscaling import Autoscaler, Load

FROM_ZERO = StepScaling("sd-from-zero")
USUAL = Scaling(0, 2, (TargetTracking("sd-backlog", 2),), (FROM_ZERO,))
BORN = datetime(2026, 1, 1, tzinfo=UTC)


class Scaled:
    """An endpoint without a hosting, so every capacity is there at once; and periods, one after another."""

    def __init__(self, world: Any, count: int = 1):
        self.world, self.periods = world, itertools.count(1)
        self.log = world.work_dir / "logs" / "scaling.log"
        self.autoscaler = Autoscaler(world.account, 1.0, self.log, world.clock)
        world.create_endpoint()
        self.set_capacity(count)

    def set_capacity(self, count: int) -> None:
        self.world.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="sd",
            DesiredWeightsAndCapacities=[{"VariantName": "all", "DesiredInstanceCount": count}],
        )

    @property
    def capacity(self) -> int:
        return int(self.world.described()["ProductionVariants"][0]["DesiredInstanceCount"])

    def wait(self, backlog: int, periods: int = 1, created_at: datetime = BORN) -> list[tuple[int, int, str]]:
        """What the policies do in as many periods with that backlog."""
        before = len(self.autoscaler.changes("sd"))
        for _ in range(periods):
            load = Load("sd", created_at, "all", backlog, self.capacity)
            self.autoscaler.scale(next(self.periods) * PERIOD_S, [load])
        changes = self.autoscaler.changes("sd")[before:]
        return [(change.before, change.after, change.policy) for change in changes]

    @property
    def lines(self) -> list[str]:
        """The log, less the time of each line."""
        return [line.partition(" ")[2] for line in self.log.read_text().splitlines()]


@pytest.fixture
def scaled(world: Any) -> Scaled:
    return Scaled(world, count=0)


@pytest.fixture
def one(world: Any) -> Scaled:
    return Scaled(world)


def test_the_registered_policies_lead_from_zero_to_two_and_back(scaled: Scaled) -> None:
    scaled.world.register(USUAL)
    assert scaled.wait(4, 2) == [(0, 1, "sd-from-zero")]
    assert scaled.wait(4, 3) == [(1, 2, "sd-backlog")]
    assert scaled.wait(0, 15) == [(2, 0, "sd-backlog")]
    assert scaled.capacity == 0
    assert scaled.lines == [
        "endpoint sd: 0 -> 1 by sd-from-zero: 4 jobs and no instance in 2 of 2 periods",
        "endpoint sd: 1 -> 2 by sd-backlog: 4 jobs per instance, over 2 for 3 periods",
        "endpoint sd: 2 -> 0 by sd-backlog: 0 jobs per instance, under 1.8 for 15 periods",
    ]


def test_every_change_is_logged_with_its_policy(scaled: Scaled, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    scaled.world.register(USUAL)
    scaled.wait(1, 2)
    assert "endpoint sd: 0 -> 1 by sd-from-zero: 1 jobs and no instance in 2 of 2 periods" in caplog.messages


@pytest.mark.parametrize("missing", ["policy", "alarm", "action"])
def test_without_its_step_policy_an_endpoint_at_zero_stays_at_zero(scaled: Scaled, missing: str) -> None:
    scaled.world.register(USUAL)
    cloudwatch = scaled.world.account.client("cloudwatch")
    if missing == "policy":
        scaled.world.account.client("application-autoscaling").delete_scaling_policy(
            PolicyName="sd-from-zero",
            ServiceNamespace="sagemaker",
            ResourceId="endpoint/sd/variant/all",
            ScalableDimension="sagemaker:variant:DesiredInstanceCount",
        )
    elif missing == "alarm":
        cloudwatch.delete_alarms(AlarmNames=["sd-from-zero"])
    else:
        cloudwatch.disable_alarm_actions(AlarmNames=["sd-from-zero"])
    assert scaled.wait(2, 30) == []
    assert scaled.capacity == 0


def test_nothing_is_scaled_that_is_not_registered(scaled: Scaled) -> None:
    assert scaled.wait(100, 10) == []
    assert not scaled.log.exists()


def test_a_registration_that_changes_is_followed_from_the_next_period_on(one: Scaled) -> None:
    one.world.register(USUAL)
    assert one.wait(1, 5) == []
    one.world.register(Scaling(2, 3))
    assert one.wait(1) == [(1, 2, "bounds")]


def test_an_endpoint_made_anew_begins_without_a_past(scaled: Scaled) -> None:
    scaled.world.register(USUAL)
    assert scaled.wait(1) == []
    assert scaled.wait(1, 1, BORN + timedelta(days=1)) == []
    assert scaled.wait(1, 1, BORN + timedelta(days=1)) == [(0, 1, "sd-from-zero")]


def test_what_the_rules_do_not_know_is_said_once_and_not_followed(scaled: Scaled) -> None:
    scaled.world.register(Scaling(0, 1, steps=(FROM_ZERO,)))
    scaled.world.account.client("application-autoscaling").put_scaling_policy(
        PolicyName="other",
        ServiceNamespace="sagemaker",
        ResourceId="endpoint/sd/variant/all",
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ExactCapacity",
            "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
        },
    )
    assert scaled.wait(1, 5) == []
    (line,) = scaled.lines
    assert line.startswith('endpoint sd is not scaled: policy other has AdjustmentType "ExactCapacity"')


def test_an_endpoint_that_is_updating_is_left_alone(scaled: Scaled) -> None:
    scaled.world.register(USUAL)
    scaled.world.account.tell("hosting", {"is_here": True})
    scaled.world.make_config("sd-2")
    scaled.world.update_endpoint("sd-2")
    assert scaled.wait(1, 5) == []
    scaled.world.account.tell("hosting", {"is_here": False})
    assert scaled.wait(1) == [(0, 1, "sd-from-zero")]


def test_a_capacity_that_the_control_plane_refuses_is_no_change(one: Scaled) -> None:
    one.world.register(Scaling(0, 2, (TargetTracking("sd-backlog", 2),)))
    one.world.account.tell("quotas/ml.g4dn.xlarge", {"instances": 1})
    assert one.wait(9, 3) == []
    one.world.account.tell("quotas/ml.g4dn.xlarge", {"instances": None})
    assert one.capacity == 1
    (line,) = one.lines
    assert line.startswith(
        "endpoint sd: 1 -> 2 by sd-backlog: 9 jobs per instance, over 2 for 3 periods; ref"
    )
    assert "ml.g4dn.xlarge for endpoint usage" in line


def test_a_deleted_endpoint_is_no_matter_for_the_others(one: Scaled) -> None:
    one.world.register(USUAL)
    one.world.create_endpoint("other")
    one.world.register(Scaling(2, 2), "other")
    gone = Load("gone", BORN, "all", 1, 0)
    assert one.autoscaler.scale(60, [gone, Load("other", BORN, "all", 0, 1)])
    assert [change.policy for change in one.autoscaler.changes("other")] == ["bounds"]


def test_the_metrics_are_published_as_sagemaker_does(one: Scaled) -> None:
    one.autoscaler.scale(60, [Load("sd", BORN, "all", 6, 2), Load("idle", BORN, "all", 3, 0)])
    metrics = one.world.account.client("cloudwatch")
    values = {}
    for name in ("ApproximateBacklogSize", "ApproximateBacklogSizePerInstance", "HasBacklogWithoutCapacity"):
        for endpoint in ("sd", "idle"):
            (point,) = metrics.get_metric_statistics(
                Namespace="AWS/SageMaker",
                MetricName=name,
                Dimensions=[{"Name": "EndpointName", "Value": endpoint}],
                StartTime=datetime.now(UTC) - timedelta(minutes=5),
                EndTime=datetime.now(UTC) + timedelta(minutes=5),
                Period=900,
                Statistics=["Average"],
            )["Datapoints"]
            values[name, endpoint] = point["Average"]
    assert list(values.values()) == [6, 3, 3, 3, 0, 1]


def test_a_control_plane_that_does_not_answer_is_asked_again(
    one: Scaled, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.world.register(Scaling(2, 2))

    def refuse(*_: object, **__: object) -> None:
        raise ClientError({"Error": {"Code": "Throttling", "Message": "later"}}, "PutMetricData")

    with monkeypatch.context() as patched:
        patched.setattr(one.autoscaler._cloudwatch, "put_metric_data", refuse)
        assert one.wait(0, 3) == []
    assert "nothing can be scaled" in one.lines[0]
    assert len(one.lines) == 1
    assert one.wait(0) == [(1, 2, "bounds")]


def test_periods_end_when_the_clock_says_so_and_missed_ones_are_left_out(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    autoscaler = Autoscaler(world.account, 1200.0, world.work_dir / "log")
    ends: list[float] = []

    def scale(at_s: float, loads: Sequence[Load]) -> bool:
        ends.append(at_s)
        return len(ends) == 2

    async def run() -> None:
        changed = asyncio.Event()
        task = asyncio.create_task(autoscaler.run(lambda: [], changed.set))
        await changed.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    monkeypatch.setattr(autoscaler, "scale", scale)
    asyncio.run(run())
    assert ends[0] == 60
    assert ends[1] % 60 == 0
    assert ends[1] > 60


def test_real_instances_go_from_zero_to_two_and_back_by_the_registered_policies(
    world: Any, until: Any
) -> None:
    world.host(scaling_speed=600.0)  # a minute passes in 0.1 s
    world.create_endpoint(concurrent=1)
    world.wait_for("InService")
    world.set_capacity(0)
    locations = [world.invoke({"sleep_s": 0.8})["OutputLocation"] for _ in range(6)]
    world.register(Scaling(0, 2, (TargetTracking("sd-backlog", 2),), (FROM_ZERO,)))
    assert all(each["invocationStatus"] == "Completed" for each in world.messages(6))
    until(lambda: world.hosting.changes("sd")[-1].after == 0)
    assert [(change.before, change.after, change.policy) for change in world.hosting.changes("sd")] == [
        (0, 1, "sd-from-zero"),
        (1, 2, "sd-backlog"),
        (2, 0, "sd-backlog"),
    ]
    until(lambda: not world.hosting.instances("sd"))
    assert len({json.loads(world.read(uri))["pid"] for uri in locations}) == 2
