"""The endpoint of a stack follows its scaling policies with real instances, and nothing but its policies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psutil

from tests.e2e.road import Road, eventually
from webui_async.client import JobView
from webui_async.contract.job import Status
from webui_async.contract.scaling import Scaling, StepScaling, TargetTracking
from webui_async.deploy.scaling_calls import DIMENSION, SERVICE, resource_id, scaling_requests
from webui_async.local.stack import ENDPOINT

VARIANT = "gpu"
BACKLOG, FROM_ZERO = TargetTracking(f"{ENDPOINT}-backlog", 8), StepScaling(f"{ENDPOINT}-from-zero")
SCALING = Scaling(0, 2, (BACKLOG,), (FROM_ZERO,))
#: A minute of AWS's passes in a quarter of a second.
SPEED = 240.0


def open_at_zero(make_road: Callable[..., Road], scaling: Scaling) -> Road:
    """A stack whose endpoint was registered with `scaling` and has no instance."""
    road = make_road(scaling_speed=SPEED)
    deregister(road)
    road.stack.hosting.set_capacity(ENDPOINT, 0)
    eventually(lambda: not road.stack.hosting.instances(ENDPOINT))
    register(road, scaling)
    return road


def register(road: Road, scaling: Scaling) -> None:
    """As a deployer does it."""
    autoscaling = road.stack.cloud.client("application-autoscaling")
    requests = scaling_requests(scaling, ENDPOINT, VARIANT)
    autoscaling.register_scalable_target(**requests.target)
    for policy in requests.policies:
        arn = autoscaling.put_scaling_policy(**policy)["PolicyARN"]
        for alarm in requests.alarms_of(policy["PolicyName"], arn):
            road.stack.cloud.client("cloudwatch").put_metric_alarm(**alarm)


def deregister(road: Road) -> None:
    """What the stack registered for its endpoint is gone, its policies too."""
    place = {"ResourceId": resource_id(ENDPOINT, VARIANT), "ScalableDimension": DIMENSION}
    autoscaling = road.stack.cloud.client("application-autoscaling")
    if autoscaling.describe_scalable_targets(ServiceNamespace=SERVICE)["ScalableTargets"]:
        autoscaling.deregister_scalable_target(ServiceNamespace=SERVICE, **place)


def pids_in_service(road: Road) -> set[int]:
    views = road.stack.hosting.instances(ENDPOINT)
    return {view.pid for view in views if view.pid and view.health.value == "in_service"}


def scaling_log(road: Road) -> list[str]:
    """The lines of the log, without their times."""
    text = (road.stack.options.work_dir / "logs" / "scaling.log").read_text()
    return [line.partition(" ")[2] for line in text.splitlines()]


def periods_with_a_backlog_and_no_capacity(road: Road) -> int:
    points = road.stack.cloud.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="HasBacklogWithoutCapacity",
        Dimensions=[{"Name": "EndpointName", "Value": ENDPOINT}],
        StartTime=datetime.now(UTC) - timedelta(hours=1),
        EndTime=datetime.now(UTC) + timedelta(hours=1),
        Period=7200,
        Statistics=["Sum"],
    )["Datapoints"]
    return int(sum(point["Sum"] for point in points))


def instances_of(road: Road, jobs: list[JobView]) -> set[str]:
    """Those that drew the jobs."""
    return {progress.instance for job in jobs if (progress := road.stack.store.progress(job.id))}


def assert_succeeded(road: Road, jobs: list[JobView]) -> None:
    for job in jobs:
        assert road.wait(job.id, 120.0).status is Status.SUCCEEDED


def test_an_endpoint_goes_from_zero_to_two_and_back_by_its_registered_policies(
    make_road: Callable[..., Road],
) -> None:
    road = open_at_zero(make_road, SCALING)
    jobs = [road.submit(steps=10) for _ in range(24)]
    eventually(lambda: len(pids_in_service(road)) == 2, 60.0)
    assert all(psutil.pid_exists(pid) for pid in pids_in_service(road))
    assert_succeeded(road, jobs)
    eventually(lambda: road.stack.hosting.changes(ENDPOINT)[-1].after == 0, 60.0)
    eventually(lambda: not road.stack.hosting.instances(ENDPOINT))
    changes = road.stack.hosting.changes(ENDPOINT)
    assert [(change.before, change.after, change.policy) for change in changes[:2]] == [
        (0, 1, FROM_ZERO.name),
        (1, 2, BACKLOG.name),
    ]
    assert {change.policy for change in changes[2:]} == {BACKLOG.name}
    assert scaling_log(road) == [
        f"endpoint {ENDPOINT}: {change.before} -> {change.after} by {change.policy}: {change.reason}"
        for change in changes
    ]
    assert len(instances_of(road, jobs)) >= 2


def test_without_its_step_policy_an_endpoint_at_zero_stays_at_zero(make_road: Callable[..., Road]) -> None:
    road = open_at_zero(make_road, SCALING)
    road.stack.cloud.client("application-autoscaling").delete_scaling_policy(
        PolicyName=FROM_ZERO.name,
        ServiceNamespace=SERVICE,
        ResourceId=resource_id(ENDPOINT, VARIANT),
        ScalableDimension=DIMENSION,
    )
    jobs = [road.submit() for _ in range(3)]
    eventually(lambda: periods_with_a_backlog_and_no_capacity(road) >= 10, 60.0)
    assert (road.stack.hosting.changes(ENDPOINT), road.stack.hosting.instances(ENDPOINT)) == ([], [])
    assert all(road.client.status(job.id).status is Status.QUEUED for job in jobs)
    register(road, SCALING)
    assert_succeeded(road, jobs)
    assert road.stack.hosting.changes(ENDPOINT)[0].policy == FROM_ZERO.name
