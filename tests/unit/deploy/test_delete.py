"""deploy/delete.py: nothing of an endpoint is left, whatever it was doing and wherever the run broke off."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.deploy.house import House, Killed
from tests.unit.deploy.made import OUTPUTS
from webui_async.contract.errors import EndpointFailed, EndpointNameTaken, WaitedTooLong
from webui_async.deploy.delete import delete
from webui_async.deploy.endpoint import delete_endpoint
from webui_async.deploy.logs import read_lines

NOTHING: dict[str, list[str]] = {
    "endpoints": [],
    "configs": [],
    "models": [],
    "targets": [],
    "policies": [],
    "alarms": [],
}
CATALOG = "catalog/painter.json"


@pytest.fixture
def full(house: House) -> House:
    """A house with an endpoint, its catalog and its log."""
    house.host()
    house.apply(house.spec(max_instances=3))
    house.put(CATALOG, b"{}")
    house.put_log("drawing")
    house.put_log("drawing", "gpu/i-2")
    house.asked.clear()
    return house


def run(house: House, logs: bool = True) -> None:
    delete(house, "painter", OUTPUTS.bucket, house.said.append, logs=logs, clock=house.clock)


def assert_nothing_left(house: House) -> None:
    assert house.listing() == NOTHING
    found = house.client("s3").list_objects_v2(Bucket=OUTPUTS.bucket, Prefix="catalog/")
    assert found["KeyCount"] == 0
    for group in house.client("logs").describe_log_groups()["logGroups"]:
        streams = house.client("logs").describe_log_streams(logGroupName=group["logGroupName"])
        assert streams["logStreams"] == []


def test_everything_goes_in_the_order_that_aws_wants(full: House) -> None:
    run(full)
    assert_nothing_left(full)
    assert [change.partition(":")[2] for change in full.changes()] == [
        "DeregisterScalableTarget",
        "DeleteAlarms",
        "DeleteEndpoint",
        "DeleteEndpointConfig",
        "DeleteModel",
        "DeleteObject",
        "DeleteLogStream",
        "DeleteLogStream",
    ]


def test_what_the_stack_made_stays(full: House) -> None:
    run(full)
    assert full.client("s3").list_objects_v2(Bucket=OUTPUTS.bucket, Prefix="packs/")["KeyCount"] > 0
    assert full.client("cloudformation").describe_stacks(StackName="house")["Stacks"]
    assert full.client("ecr").describe_repositories()["repositories"]


def test_the_log_stays_unless_it_is_asked_for(full: House) -> None:
    run(full, logs=False)
    assert full.listing() == NOTHING and list(read_lines(full, "painter", 0.0))


def test_the_log_group_is_the_stacks_and_goes_only_without_one(full: House) -> None:
    run(full)
    assert full.client("logs").describe_log_groups()["logGroups"]
    delete(full, "painter", None, full.said.append, logs=True, clock=full.clock)
    assert full.client("logs").describe_log_groups()["logGroups"] == []


@pytest.mark.parametrize("number", range(9))
def test_a_delete_that_was_broken_off_is_completed_by_the_next_run(full: House, number: int) -> None:
    with full.killed_before_change(number):
        run(full)
    run(full)
    assert_nothing_left(full)


def test_a_second_delete_finds_nothing_to_do(full: House) -> None:
    run(full)
    full.asked.clear()
    run(full)
    assert full.changes() == ["s3:DeleteObject"]


def test_an_endpoint_that_is_being_scaled_is_waited_for(full: House) -> None:
    full.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName="painter",
        DesiredWeightsAndCapacities=[{"VariantName": "gpu", "DesiredInstanceCount": 2}],
    )
    assert full.described["EndpointStatus"] == "Updating"
    run(full)
    assert_nothing_left(full)


def test_an_endpoint_that_is_being_created_is_waited_for(house: House) -> None:
    house.host()
    house.apply(house.spec(), wait=False)
    run(house)
    assert_nothing_left(house)


def test_an_endpoint_that_failed_is_deleted_too(house: House) -> None:
    house.host()
    house.while_waiting = lambda: house.break_up("no /ping")
    with pytest.raises(EndpointFailed):
        house.apply(house.spec())
    run(house)
    assert_nothing_left(house)


def test_an_interruption_while_waiting_is_gone_on_with(full: House) -> None:
    full.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName="painter",
        DesiredWeightsAndCapacities=[{"VariantName": "gpu", "DesiredInstanceCount": 2}],
    )

    def interrupt() -> None:
        raise Killed

    full.while_waiting = interrupt
    with pytest.raises(Killed):
        run(full)
    full.while_waiting = full.bring_up
    run(full)
    assert_nothing_left(full)


def test_waiting_for_an_endpoint_has_an_end(full: House) -> None:
    full.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName="painter",
        DesiredWeightsAndCapacities=[{"VariantName": "gpu", "DesiredInstanceCount": 2}],
    )
    full.while_waiting = lambda: None
    with pytest.raises(WaitedTooLong, match="is Updating after"):
        run(full)


def test_an_endpoint_that_is_not_ours_stays(full: House) -> None:
    arn = full.described["EndpointArn"]
    full.client("sagemaker").delete_tags(ResourceArn=arn, TagKeys=["webui-async:endpoint"])
    full.asked.clear()
    with pytest.raises(EndpointNameTaken):
        run(full)
    assert full.changes() == [] and full.has_endpoint


def test_without_a_stack_the_catalog_is_left_alone(full: House) -> None:
    delete(full, "painter", None, full.said.append, clock=full.clock)
    assert full.listing() == NOTHING
    assert full.client("s3").list_objects_v2(Bucket=OUTPUTS.bucket, Prefix="catalog/")["KeyCount"] == 1


def test_the_stack_leads_to_endpoint_and_catalog(full: House) -> None:
    delete_endpoint(full, "house", full.said.append, logs=True, clock=full.clock)
    assert_nothing_left(full)


def test_configurations_outlive_an_endpoint_that_takes_its_time_to_go(full: House) -> None:
    client = full.client("sagemaker")
    order: list[str] = []

    class Slow:
        looks_left = 3

        def __getattr__(self, name: str) -> Any:
            return getattr(client, name)

        def describe_endpoint(self, **parameters: str) -> Any:
            if client.list_endpoints()["Endpoints"] or not self.looks_left:
                return client.describe_endpoint(**parameters)
            self.looks_left -= 1
            order.append("Deleting")
            return {"EndpointStatus": "Deleting"}

        def delete_endpoint_config(self, **parameters: str) -> Any:
            order.append("DeleteEndpointConfig")
            return client.delete_endpoint_config(**parameters)

    full.stubs["sagemaker"] = Slow()
    run(full)
    del full.stubs["sagemaker"]
    assert order == ["Deleting", "Deleting", "Deleting", "DeleteEndpointConfig"]
    assert_nothing_left(full)
