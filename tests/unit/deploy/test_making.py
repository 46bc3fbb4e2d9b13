"""deploy/making.py: a call is made, made again where AWS lags behind, and well where it has nothing to do."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.deploy.house import House
from webui_async.contract.errors import AwsRefused, PipelineError
from webui_async.deploy.calls import CREATE, DELETE, Call
from webui_async.deploy.making import Maker, settle

GONE = [
    ("sagemaker", "DeleteModel", {"ModelName": "x"}),
    ("sagemaker", "DeleteEndpointConfig", {"EndpointConfigName": "x"}),
    ("sagemaker", "DeleteEndpoint", {"EndpointName": "x"}),
    ("logs", "DeleteLogGroup", {"logGroupName": "/x"}),
    ("cloudwatch", "DeleteAlarms", {"AlarmNames": ["x"]}),
    ("s3", "DeleteObject", {"Bucket": "art", "Key": "catalog/x.json"}),
    (
        "application-autoscaling",
        "DeregisterScalableTarget",
        {
            "ServiceNamespace": "sagemaker",
            "ResourceId": "endpoint/x/variant/gpu",
            "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        },
    ),
]


@pytest.mark.parametrize(("service", "operation", "parameters"), GONE)
def test_what_is_gone_already_is_well(
    house: House, service: str, operation: str, parameters: dict[str, Any]
) -> None:
    Maker(house, house.clock).make(Call(service, operation, parameters, DELETE, "x"))
    assert house.changes() == [f"{service}:{operation}"]


def test_a_model_that_is_there_already_is_well(house: House) -> None:
    create = next(call for call in house.plan(house.spec()).calls if call.operation == "CreateModel")
    maker = Maker(house, house.clock)
    maker.make(create)
    maker.make(create)
    assert len(house.listing()["models"]) == 1


def test_an_endpoint_that_is_there_already_is_not_taken_for_ours(house: House) -> None:
    plan = house.plan(house.spec())
    maker = Maker(house, house.clock)
    for call in plan.calls[:3]:
        maker.make(call)
    with pytest.raises(PipelineError, match="already existing endpoint"):
        maker.make(plan.calls[2])


class Lagging:
    """Application Auto Scaling that knows of a target only after a while."""

    def __init__(self, tries: int):
        self.tries = tries

    def put_scaling_policy(self, **_: Any) -> dict[str, Any]:
        self.tries -= 1
        if self.tries >= 0:
            error = {"Code": "ObjectNotFoundException", "Message": "No scalable target registered"}
            raise ClientError({"Error": error}, "PutScalingPolicy")  # type: ignore[typeddict-item]
        return {"PolicyARN": "arn:policy"}


POLICY = Call("application-autoscaling", "PutScalingPolicy", {"PolicyName": "p"}, CREATE, "policy p")


def test_a_policy_waits_until_its_target_is_known(house: House) -> None:
    house.stubs["application-autoscaling"] = Lagging(5)
    before = house.now_s
    Maker(house, house.clock).make(POLICY)
    assert house.now_s - before == 10.0


def test_a_target_that_is_never_known_is_told(house: House) -> None:
    house.stubs["application-autoscaling"] = Lagging(6)
    with pytest.raises(AwsRefused, match="No scalable target registered"):
        Maker(house, house.clock).make(POLICY)


def test_an_alarm_is_given_the_arn_that_its_policy_got(house: House) -> None:
    class Alarms:
        def put_metric_alarm(self, **parameters: Any) -> None:
            self.actions = parameters["AlarmActions"]

    alarms = house.stubs["cloudwatch"] = Alarms()
    house.stubs["application-autoscaling"] = Lagging(0)
    maker = Maker(house, house.clock)
    maker.make(POLICY)
    maker.make(Call("cloudwatch", "PutMetricAlarm", {"AlarmName": "p"}, CREATE, "alarm", sets_off="p"))
    assert alarms.actions == ["arn:policy"]


def test_an_endpoint_that_is_not_there_is_at_rest(house: House) -> None:
    assert settle(house, "painter", 1.0, house.clock, house.said.append, lambda _: True) is None
