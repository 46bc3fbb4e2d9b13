"""deploy/status.py: how an endpoint is, in a line for each fact."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.deploy.house import House
from webui_async.contract.errors import EndpointMissing, UpdateRolledBack
from webui_async.deploy.endpoint import endpoint_status
from webui_async.deploy.status import Status, read_status


class Activities:
    """Application Auto Scaling, with the activities that moto does not have."""

    def __init__(self, client: Any, *activities: dict[str, Any]):
        self.client, self.activities = client, list(activities)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def describe_scaling_activities(self, **parameters: Any) -> dict[str, Any]:
        assert parameters == {
            "ServiceNamespace": "sagemaker",
            "ResourceId": "endpoint/painter/variant/gpu",
            "MaxResults": 1,
        }
        return {"ScalingActivities": self.activities[:1]}


@pytest.fixture
def scaled(house: House) -> House:
    """A house with an endpoint, and no scaling activity yet."""
    house.apply(house.spec(max_instances=3))
    house.stubs["application-autoscaling"] = Activities(house.client("application-autoscaling"))
    house.asked.clear()
    return house


def status(house: House) -> Status:
    return read_status(house, "painter", house.now_s)


def put_metric(house: House, name: str, value: float, age_s: float = 60.0) -> None:
    point = {
        "MetricName": name,
        "Dimensions": [{"Name": "EndpointName", "Value": "painter"}],
        "Timestamp": datetime.fromtimestamp(house.now_s - age_s, UTC),
        "Value": value,
    }
    house.client("cloudwatch").put_metric_data(Namespace="AWS/SageMaker", MetricData=[point])


def test_an_endpoint_tells_instances_parts_and_policies(scaled: House) -> None:
    text = status(scaled).text()
    for told in (
        "painter  InService",
        "1 in service, 1 wanted",
        "ml.g5.xlarge",
        scaled.image,
        scaled.pack,
        "0 to 3 instances, painter-backlog at 8 jobs per instance, painter-from-zero",
        "no metric in the last 10 minutes",
    ):
        assert told in text
    assert text.splitlines()[-1].split() == ["last", "failure", "none"]
    assert scaled.changes() == []


def test_the_newest_points_are_shown_and_old_ones_are_not(scaled: House) -> None:
    put_metric(scaled, "ApproximateBacklogSize", 7, 180)
    put_metric(scaled, "ApproximateBacklogSize", 5, 60)
    put_metric(scaled, "HasBacklogWithoutCapacity", 1, 3600)
    metrics = status(scaled).metrics.value
    assert metrics == {"ApproximateBacklogSize": 5.0}
    assert re.search(r"ApproximateBacklogSize +5\n", status(scaled).text())


def test_a_scaling_that_failed_shows_though_the_endpoint_is_in_service(scaled: House) -> None:
    failed = {
        "StatusCode": "Failed",
        "Description": "Setting desired instance count to 2.",
        "StatusMessage": "The account-level service limit is 1 Instances",
    }
    scaled.stubs["application-autoscaling"].activities.append(failed)
    told = status(scaled).last_failure
    assert (
        told == "scaling: Setting desired instance count to 2. The account-level service limit is 1 Instances"
    )
    scaled.stubs["application-autoscaling"].activities[0] = failed | {"StatusCode": "Successful"}
    assert status(scaled).last_failure is None


def test_what_sagemaker_tells_of_a_failure_comes_first(house: House) -> None:
    house.host()
    house.apply(house.spec())
    house.while_waiting = lambda: house.break_up("no /ping")
    with pytest.raises(UpdateRolledBack):
        house.apply(house.spec(max_job_s=60.0))
    house.stubs["application-autoscaling"] = Activities(house.client("application-autoscaling"))
    assert status(house).last_failure == "no /ping"


def test_scaling_that_is_not_as_we_know_it_is_told(scaled: House) -> None:
    autoscaling = scaled.client("application-autoscaling")
    autoscaling.delete_scaling_policy(
        PolicyName="painter-from-zero",
        ServiceNamespace="sagemaker",
        ResourceId="endpoint/painter/variant/gpu",
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
    )
    assert "no policy leads out of zero: run apply" in status(scaled).text()
    autoscaling.deregister_scalable_target(
        ServiceNamespace="sagemaker",
        ResourceId="endpoint/painter/variant/gpu",
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
    )
    assert "not registered as we know it: run apply" in status(scaled).text()


def test_what_may_not_be_asked_is_told_in_its_place(house: House) -> None:
    house.apply(house.spec())

    class Refusing(Activities):
        def describe_scaling_activities(self, **_: Any) -> dict[str, Any]:
            raise self.client.exceptions.InternalServiceException(
                {"Error": {"Code": "AccessDeniedException"}}, "DescribeScalingActivities"
            )

    house.stubs["application-autoscaling"] = Refusing(house.client("application-autoscaling"))
    assert status(house).last_failure is None and status(house).activity.why


def test_the_stack_leads_to_its_endpoint(scaled: House) -> None:
    assert endpoint_status(scaled, "house", scaled.clock).endpoint.status == "InService"


def test_an_endpoint_that_is_not_there_is_told(house: House) -> None:
    with pytest.raises(EndpointMissing, match="there is no endpoint 'painter': make it with"):
        status(house)
