"""deploy/apply.py: a plan is made call by call, gone on with where it broke off, undone where it failed."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.unit.deploy.house import House, Killed
from webui_async.contract.errors import EndpointFailed, QuotaExceeded, UpdateRolledBack, WaitedTooLong
from webui_async.deploy.apply import Applying

COMPLETE = {
    "endpoints": ["painter"],
    "targets": ["endpoint/painter/variant/gpu"],
    "policies": ["painter-backlog", "painter-from-zero"],
    "alarms": ["painter-from-zero"],
}


def assert_complete(house: House) -> None:
    """One of each, and the endpoint in service."""
    listing = house.listing()
    assert len(listing.pop("configs")) == len(listing.pop("models")) == 1
    assert listing == COMPLETE
    assert house.described["EndpointStatus"] == "InService"


def assert_made_once(changes: list[str]) -> None:
    """A policy may be put again: an alarm that is missing needs its ARN."""
    counted = Counter(change for change in changes if not change.endswith("PutScalingPolicy"))
    assert counted and set(counted.values()) == {1}


def test_an_endpoint_is_created_with_its_scaling(house: House) -> None:
    house.host()
    assert house.apply(house.spec(max_instances=2))
    assert_complete(house)
    target = house.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")
    assert target["ScalableTargets"][0]["MaxCapacity"] == 2
    policies = house.client("application-autoscaling").describe_scaling_policies(ServiceNamespace="sagemaker")
    (step,) = (each for each in policies["ScalingPolicies"] if each["PolicyName"] == "painter-from-zero")
    (alarm,) = house.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert alarm["AlarmActions"] == [step["PolicyARN"]]
    assert any(re.match(r"endpoint painter is InService after \d+ s", line) for line in house.said)


def test_each_call_is_told_in_a_line(house: House) -> None:
    plan = house.plan(house.spec())
    house.apply(house.spec())
    assert [line for line in house.said if line.startswith(("create", "change", "delete"))] == [
        f"{call.verb} {call.sentence}" for call in plan.calls
    ]


def test_an_apply_without_a_change_changes_nothing(house: House) -> None:
    house.apply(house.spec())
    house.asked.clear()
    assert house.apply(house.spec())
    assert house.changes() == [] and len(house.asked) > 5


def test_a_plan_changes_nothing(house: House) -> None:
    house.plan(house.spec())
    assert house.changes() == []


@pytest.mark.parametrize("number", range(9))
def test_a_creation_that_was_broken_off_is_completed_by_the_next_run(house: House, number: int) -> None:
    house.host()
    with house.killed_before_change(number):
        house.apply(house.spec())
    first = house.changes()
    house.asked.clear()
    assert house.apply(house.spec())
    assert_complete(house)
    assert_made_once(first + house.changes())
    house.asked.clear()
    house.apply(house.spec())
    assert house.changes() == []


@pytest.mark.parametrize("number", range(12))
def test_an_update_that_was_broken_off_is_completed_by_the_next_run(house: House, number: int) -> None:
    house.host()
    house.apply(house.spec())
    new = house.spec(instance_type="ml.g5.2xlarge", max_job_s=60.0)
    with house.killed_before_change(number):
        house.apply(new)
    first = house.changes()
    house.asked.clear()
    assert house.apply(new)
    assert_complete(house)
    assert_made_once(first + house.changes())
    house.asked.clear()
    house.apply(new)
    assert house.changes() == []


def test_an_interruption_while_waiting_is_gone_on_with(house: House) -> None:
    house.host()

    def interrupt() -> None:
        raise Killed

    house.while_waiting = interrupt
    with pytest.raises(Killed):
        house.apply(house.spec())
    assert house.described["EndpointStatus"] == "Creating"
    house.while_waiting = house.bring_up
    house.asked.clear()
    assert house.apply(house.spec())
    assert_complete(house)
    assert "sagemaker:CreateEndpoint" not in house.changes()


def test_without_waiting_the_rest_is_left_to_the_next_run(house: House) -> None:
    house.host()
    assert not house.apply(house.spec(), wait=False)
    assert house.listing()["targets"] == []
    assert "4 calls are left: run apply again once the endpoint is InService" in house.said
    house.bring_up()
    assert house.apply(house.spec(), wait=False)
    assert_complete(house)


def test_an_update_keeps_the_instances_and_leaves_nothing_of_the_old(house: House) -> None:
    house.host()
    house.apply(house.spec(max_instances=4))
    house.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName="painter",
        DesiredWeightsAndCapacities=[{"VariantName": "gpu", "DesiredInstanceCount": 3}],
    )
    house.bring_up()
    house.apply(house.spec(max_instances=4, max_job_s=60.0))
    assert_complete(house)
    assert house.described["ProductionVariants"][0]["DesiredInstanceCount"] == 3


def test_a_creation_that_fails_tells_why_and_what_the_container_said_last(house: House) -> None:
    house.host()
    house.while_waiting = lambda: (house.put_log("CUDA driver is too old"), house.break_up("no /ping"))  # type: ignore[func-returns-value]
    with pytest.raises(EndpointFailed) as caught:
        house.apply(house.spec())
    told = str(caught.value)
    assert "endpoint 'painter' does not come up: no /ping" in told and "run apply again" in told
    assert "The container's last lines:" in told and "i-1 CUDA driver is too old" in told


def test_a_failed_creation_without_a_line_tells_what_that_means(house: House) -> None:
    house.host()
    house.while_waiting = lambda: house.break_up("image")
    with pytest.raises(
        EndpointFailed, match=r"printed nothing to /aws/sagemaker/Endpoints/painter.*ami_version"
    ):
        house.apply(house.spec())


def test_a_failed_endpoint_is_made_anew_by_the_next_run(house: House) -> None:
    house.host()
    house.while_waiting = lambda: house.break_up("no /ping")
    with pytest.raises(EndpointFailed):
        house.apply(house.spec())
    house.while_waiting = house.bring_up
    assert house.apply(house.spec())
    assert_complete(house)


def test_an_update_that_fails_is_rolled_back_and_leaves_no_trace(house: House) -> None:
    house.host()
    house.apply(house.spec())
    before = house.listing()
    house.while_waiting = lambda: (house.put_log("no checkpoint loads"), house.break_up("no /ping"))  # type: ignore[func-returns-value]
    with pytest.raises(UpdateRolledBack) as caught:
        house.apply(house.spec(max_job_s=60.0))
    told = str(caught.value)
    assert "the update of endpoint 'painter' failed, and it goes on as it was: no /ping" in told
    assert "no checkpoint loads" in told
    assert house.listing() == before
    house.while_waiting = house.bring_up
    house.asked.clear()
    house.apply(house.spec())
    assert house.changes() == []


def test_an_update_of_the_type_that_fails_leaves_the_endpoint_scaled(house: House) -> None:
    house.host()
    house.apply(house.spec())
    before = house.listing()
    house.while_waiting = lambda: house.break_up("no capacity")
    with pytest.raises(UpdateRolledBack, match="no capacity"):
        house.apply(house.spec(instance_type="ml.g5.2xlarge"))
    assert house.listing() == before


def test_an_update_that_sagemaker_takes_back_silently_is_noticed(house: House) -> None:
    """Source: hashicorp/terraform-provider-aws issue 48997."""
    house.host()
    house.apply(house.spec())
    house.while_waiting = lambda: house.break_up("")
    with pytest.raises(UpdateRolledBack, match="SageMaker gives no reason"):
        house.apply(house.spec(max_job_s=60.0))


def test_a_quota_that_sagemaker_finds_used_up_is_named(house: House) -> None:
    house.sagemaker.set_quota("ml.g5.xlarge", 0)
    with pytest.raises(
        QuotaExceeded, match=r"'ml.g5.xlarge for endpoint usage' is 0 \(0 in use, 1 more needed\)"
    ):
        house.apply(house.spec())
    house.sagemaker.set_quota("ml.g5.xlarge", 1)
    assert house.apply(house.spec())
    assert_complete(house)


def test_waiting_has_an_end(house: House) -> None:
    house.host()
    house.while_waiting = lambda: None
    with pytest.raises(WaitedTooLong, match=r"is Creating after .*Run the same command again"):
        house.apply(house.spec())
    lines = [line for line in house.said if "endpoint painter is Creating, since" in line]
    assert len(lines) > 10


def test_an_endpoint_that_is_being_scaled_is_waited_for(house: House) -> None:
    house.host()
    house.apply(house.spec(max_instances=2))
    house.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName="painter",
        DesiredWeightsAndCapacities=[{"VariantName": "gpu", "DesiredInstanceCount": 2}],
    )
    assert house.described["EndpointStatus"] == "Updating"
    assert house.apply(house.spec(max_instances=3))
    assert house.described["EndpointStatus"] == "InService"


def test_a_status_that_lags_behind_the_update_is_not_taken_for_a_rollback(house: House) -> None:
    house.apply(house.spec())
    new = house.spec(max_job_s=60.0)
    plan = house.plan(new)
    stale, real = dict(house.described), house.client("sagemaker").describe_endpoint
    answers = [stale, stale]
    client = house.client("sagemaker")

    class Lagging:
        def __getattr__(self, name: str) -> object:
            return getattr(client, name)

        def describe_endpoint(self, **parameters: str) -> object:
            return answers.pop() if answers else real(**parameters)

    house.stubs["sagemaker"] = Lagging()
    assert Applying(house, house.said.append, house.clock).run(plan)
    assert answers == []
