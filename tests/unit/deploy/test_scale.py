"""deploy/scale.py: other bounds, another number of instances, and what cannot be."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.unit.deploy.made import NAME, after, spec
from webui_async.contract.errors import EndpointBusy, EndpointMissing, EndpointNameTaken, InvalidOption
from webui_async.deploy.described import Held, Registered
from webui_async.deploy.scale import scale_calls

HELD = after(spec(max_instances=4)).held


def operations(held: Held = HELD, **bounds: int | None) -> list[str]:
    return [call.operation for call in scale_calls(held, **bounds)]


def test_instances_now_are_one_call_between_the_bounds() -> None:
    (call,) = scale_calls(HELD, now=3)
    assert call.operation == "UpdateEndpointWeightsAndCapacities"
    assert call.parameters == {
        "EndpointName": NAME,
        "DesiredWeightsAndCapacities": [{"VariantName": "gpu", "DesiredInstanceCount": 3}],
    }
    assert call.sentence == "endpoint painter: 1 -> 3 instances"


def test_bounds_alone_leave_policies_and_instances() -> None:
    (call,) = scale_calls(HELD, most=6)
    assert call.operation == "RegisterScalableTarget"
    assert (call.parameters["MinCapacity"], call.parameters["MaxCapacity"]) == (0, 6)


def test_what_is_so_already_needs_no_call() -> None:
    assert operations(least=0, most=4, now=1) == operations() == []


def test_the_way_out_of_zero_goes_and_comes_with_zero() -> None:
    assert operations(least=1) == ["RegisterScalableTarget", "DeleteScalingPolicy", "DeleteAlarms"]
    awake = after(spec(min_instances=1, max_instances=4)).held
    assert operations(awake, least=0) == ["RegisterScalableTarget", "PutScalingPolicy", "PutMetricAlarm"]


def test_an_endpoint_whose_scaling_is_gone_gets_it_again() -> None:
    bare = dataclasses.replace(HELD, registered=Registered())
    assert operations(bare, most=2) == [
        "RegisterScalableTarget",
        "PutScalingPolicy",
        "PutScalingPolicy",
        "PutMetricAlarm",
    ]


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        ({"now": 5}, "--now is 5; it must be from 0 to 4, the bounds of scaling"),
        ({"now": 0, "least": 1}, "--now is 0; it must be from 1 to 4"),
        ({"now": -1}, "--now is -1"),
        ({"least": 5}, "--max is 4; it must be 1 or more, and no less than --min, 5"),
        ({"least": -1}, "--min is -1; it must be 0 or more"),
        ({"most": 0}, "--max is 0; it must be 1 or more"),
    ],
)
def test_what_cannot_be_is_refused_with_option_and_value(bounds: dict[str, int], told: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        scale_calls(HELD, **bounds)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("endpoint", "error"),
    [
        ({"status": "Updating"}, EndpointBusy),
        ({"tags": {}}, EndpointNameTaken),
    ],
)
def test_an_endpoint_that_is_busy_or_not_ours_is_not_scaled(
    endpoint: dict[str, Any], error: type[Exception]
) -> None:
    held = after(spec(max_instances=4), **endpoint).held
    with pytest.raises(error):
        scale_calls(held, now=2)


def test_an_endpoint_that_is_not_there_is_told() -> None:
    with pytest.raises(EndpointMissing):
        scale_calls(Held(NAME), now=1)


def test_bounds_may_change_while_the_endpoint_is_busy() -> None:
    held = after(spec(max_instances=4), status="Updating").held
    assert operations(held, most=6) == ["RegisterScalableTarget"]
