"""What the control plane says of an endpoint while the hosting brings it up, updates it and scales it."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from webui_async.local.errors import StackError


def counts(world: Any) -> tuple[int, int]:
    """(current, desired) instances."""
    (variant,) = world.described()["ProductionVariants"]
    return variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]


def configs(world: Any, count: int) -> set[str]:
    """Which configurations draw, by as many invocations at once."""
    locations = [world.invoke({"sleep_s": 0.1})["OutputLocation"] for _ in range(count)]
    world.messages(count)
    return {json.loads(world.read(uri))["environment"]["CONFIG"] for uri in locations}


def test_an_endpoint_is_in_service_once_all_its_instances_are(world: Any) -> None:
    world.host()
    world.create_endpoint(count=2)
    assert world.described()["EndpointStatus"] == "Creating"
    world.wait_for("InService")
    assert counts(world) == (2, 2)
    assert [view.health.value for view in world.hosting.instances("sd")] == ["in_service"] * 2


def test_an_endpoint_whose_container_cannot_start_has_failed_after_three_tries(
    world: Any, until: Any
) -> None:
    world.host()
    world.create_endpoint(environment={"FAKE_STARTS": "never"})
    reason = world.wait_for("Failed")["FailureReason"]
    assert reason.startswith("instance sd-3 was lost: its process exited with code 1; its log ")
    assert reason.endswith("ends with 'the checkpoint is corrupt'")
    until(lambda: not world.hosting.instances("sd"))
    with pytest.raises(world.runtime.exceptions.ValidationError, match="Endpoint sd of account"):
        world.invoke({})
    assert len(list((world.work_dir / "instances").iterdir())) <= 4
    world.sagemaker.delete_endpoint(EndpointName="sd")


def test_an_endpoint_whose_model_pack_cannot_be_had_has_failed(world: Any) -> None:
    world.host()
    world.create_endpoint(ModelDataUrl="s3://art/packs/none.tar.gz")
    assert "cannot read s3://art/packs/none.tar.gz" in world.wait_for("Failed")["FailureReason"]


def test_an_endpoint_whose_role_sagemaker_cannot_take_on_has_failed(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(role_arn: str, service: str = "") -> None:
        raise StackError(f"role painter does not trust {service}: add it to its AssumeRolePolicyDocument")

    monkeypatch.setattr(world.account, "assume", refuse)
    world.host()
    world.create_endpoint()
    reason = world.wait_for("Failed")["FailureReason"]
    assert "role painter does not trust sagemaker.amazonaws.com" in reason


def test_an_endpoint_whose_container_is_never_well_has_failed(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webui_async.local.endpoint_spec.DEFAULT_STARTUP_S", 0.2)
    world.host()
    world.create_endpoint(environment={"FAKE_STARTS": "broken"})
    assert "no good /ping in its first 0.2 s" in world.wait_for("Failed")["FailureReason"]


def test_capacities_are_taken_up_while_the_endpoint_is_updating(world: Any) -> None:
    world.host()
    world.create_endpoint()
    world.wait_for("InService")
    world.hosting.set_capacity("sd", 2)
    assert world.described()["EndpointStatus"] == "Updating"
    world.wait_for("InService")
    assert counts(world) == (2, 2)
    world.set_capacity(0)
    assert counts(world) == (0, 0)


def test_a_capacity_that_cannot_be_had_is_given_up(world: Any, until: Any) -> None:
    world.host()
    world.create_endpoint(environment={"FAKE_STARTS": f"once:{world.work_dir / 'started'}"})
    world.wait_for("InService")
    world.hosting.set_capacity("sd", 2)
    described = world.wait_for("InService")
    assert counts(world) == (1, 1)
    assert described["FailureReason"].endswith("'the disk is full'")
    until(lambda: [view.id for view in world.hosting.instances("sd")] == ["sd-1"])


def test_an_update_starts_new_instances_beside_the_old_ones_and_then_retires_those(
    world: Any, until: Any
) -> None:
    world.host()
    world.create_endpoint(environment={"CONFIG": "1"})
    world.wait_for("InService")
    world.set_capacity(2)
    assert configs(world, 2) == {"1"}
    old = {view.pid for view in world.hosting.instances("sd")}
    world.make_config("sd-2", environment={"CONFIG": "2"}, output_path="s3://art/second/")
    world.update_endpoint("sd-2")
    until(lambda: len(world.hosting.instances("sd")) == 4)
    assert world.described()["EndpointConfigName"] == "sd"
    assert world.wait_for("InService")["EndpointConfigName"] == "sd-2"
    assert counts(world) == (2, 2)
    until(lambda: not any(psutil.pid_exists(pid) for pid in old))
    assert [view.id for view in world.hosting.instances("sd")] == ["sd-3", "sd-4"]
    assert configs(world, 2) == {"2"}
    assert world.invoke({})["OutputLocation"].startswith("s3://art/second/")


def test_an_update_draws_what_waits_with_the_new_instances_and_fails_what_the_old_ones_hold(
    world: Any,
) -> None:
    world.host()
    world.create_endpoint(concurrent=1)
    world.wait_for("InService")
    world.invoke({"sleep_s": 30}, InferenceId="held")
    waiting = world.invoke({}, InferenceId="waiting")
    world.make_config("sd-2", environment={"CONFIG": "2"})
    world.update_endpoint("sd-2")
    statuses = {each["inferenceId"]: each["invocationStatus"] for each in world.messages(2)}
    assert statuses == {"held": "Failed", "waiting": "Completed"}
    assert json.loads(world.read(waiting["OutputLocation"]))["environment"]["CONFIG"] == "2"


@pytest.mark.parametrize(
    ("container", "reason"),
    [
        ({"environment": {"FAKE_STARTS": "never"}}, "'the checkpoint is corrupt'"),
        ({"ModelDataUrl": "s3://art/packs/none.tar.gz"}, "cannot read s3://art/packs/none.tar.gz"),
    ],
)
def test_an_update_that_fails_is_rolled_back_and_the_old_instances_draw_on(
    world: Any, until: Any, container: dict[str, Any], reason: str
) -> None:
    world.host()
    world.create_endpoint(environment={"CONFIG": "1"})
    pid = world.draw({})["pid"]
    world.wait_for("InService")
    world.make_config("sd-2", **container)
    world.update_endpoint("sd-2")
    described = world.wait_for("InService")
    assert (described["EndpointConfigName"], reason in described["FailureReason"]) == ("sd", True)
    until(lambda: len(world.hosting.instances("sd")) == 1)
    assert world.draw({})["pid"] == pid
    world.make_config("sd-3", environment={"CONFIG": "3"})
    world.update_endpoint("sd-3")
    described = world.wait_for("InService")
    assert (described["EndpointConfigName"], "FailureReason" in described) == ("sd-3", False)
    assert configs(world, 1) == {"3"}


def test_an_update_at_a_count_of_zero_takes_the_configuration_over_without_an_instance(world: Any) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("ink.safetensors"))
    world.s3.put_object(Bucket="art", Key="packs/2.tar.gz", Body=data.getvalue())
    world.host()
    world.create_endpoint()
    world.wait_for("InService")
    world.set_capacity(0)
    world.invoke({}, InferenceId="waiting")
    world.make_config("sd-2", ModelDataUrl="s3://art/packs/2.tar.gz")
    world.update_endpoint("sd-2")
    assert world.wait_for("InService")["EndpointConfigName"] == "sd-2"
    assert (world.hosting.instances("sd"), counts(world)) == ([], (0, 0))
    world.hosting.set_capacity("sd", 1)
    message = world.messages(1)[0]
    assert (message["inferenceId"], message["invocationStatus"]) == ("waiting", "Completed")
    assert world.draw({})["model_files"] == ["ink.safetensors"]


def test_an_endpoint_that_is_brought_up_cannot_be_deleted_and_one_in_service_can(world: Any) -> None:
    world.host()
    world.create_endpoint()
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        world.sagemaker.delete_endpoint(EndpointName="sd")
    world.wait_for("InService")
    world.sagemaker.delete_endpoint(EndpointName="sd")


def test_an_update_that_is_under_way_ends_with_the_hosting(world: Any, until: Any) -> None:
    world.host()
    world.create_endpoint()
    world.wait_for("InService")
    world.make_config("sd-2", environment={"FAKE_STARTS": "broken"})
    world.update_endpoint("sd-2")
    until(lambda: len(world.hosting.instances("sd")) == 2)
    until(lambda: all(view.pid for view in world.hosting.instances("sd")))
    pids = [view.pid for view in world.hosting.instances("sd")]
    world.hosting.stop()
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_lost_instance_is_replaced_and_the_endpoint_stays_in_service(world: Any, until: Any) -> None:
    world.host()
    world.create_endpoint()
    world.wait_for("InService")
    psutil.Process(world.instance().pid).kill()
    until(lambda: [view.id for view in world.hosting.instances("sd")] == ["sd-2"])
    assert world.described()["EndpointStatus"] == "InService"
    until(lambda: counts(world) == (1, 1))


def test_a_scaled_in_endpoint_loses_its_newest_instances(world: Any, until: Any) -> None:
    world.host()
    world.create_endpoint(count=3)
    world.wait_for("InService")
    oldest = world.hosting.instances("sd")[0]
    world.set_capacity(1)
    until(lambda: len(world.hosting.instances("sd")) == 1)
    assert world.instance().pid == oldest.pid
