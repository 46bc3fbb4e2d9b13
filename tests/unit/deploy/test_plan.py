"""deploy/plan.py: what is wanted and what is there -> the calls that make the one from the other."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.unit.deploy.made import (
    ARCHIVE,
    NAME,
    OUTPUTS,
    PACK,
    after,
    described,
    pack_manifest,
    registered,
    spec,
    wanted,
)
from webui_async.contract import manifest
from webui_async.deploy.calls import Call
from webui_async.deploy.described import Described, Registered
from webui_async.deploy.looked import Looked
from webui_async.deploy.materials import PackFacts
from webui_async.deploy.plan import Plan, make_plan
from webui_async.deploy.prices import Offer
from webui_async.deploy.spec import EndpointSpec

SCALING = ["RegisterScalableTarget", "PutScalingPolicy", "PutScalingPolicy", "PutMetricAlarm"]
CREATION = ["CreateModel", "CreateEndpointConfig", "CreateEndpoint", *SCALING]


def operations(plan: Plan) -> list[str]:
    return [call.operation for call in plan.calls]


def call_of(plan: Plan, operation: str) -> Call:
    (call,) = (each for each in plan.calls if each.operation == operation)
    return call


def plan_of(new: EndpointSpec, there: Described) -> Plan:
    return make_plan(new, there)


def with_registered(there: Described, now: Registered) -> Described:
    return dataclasses.replace(there, held=dataclasses.replace(there.held, registered=now))


# Creation ---------------------------------------------------------------------------------------------------


def test_an_empty_account_gets_everything_in_order() -> None:
    plan = plan_of(spec(), described(spec()))
    assert operations(plan) == CREATION
    assert {call.verb for call in plan.calls} == {"create"}


def test_the_model_holds_image_pack_role_and_environment() -> None:
    made = spec(usd_per_hour=1.25, environment={"WEBUI_ASYNC_FETCH_PARTS": "4", "A": "b"})
    model = call_of(plan_of(made, described(made)), "CreateModel").parameters
    assert model["ExecutionRoleArn"] == OUTPUTS.role_arn
    container = model["PrimaryContainer"]
    assert container["ModelDataSource"]["S3DataSource"] == {
        "S3Uri": PACK,
        "S3DataType": "S3Prefix",
        "CompressionType": "None",
    }
    assert container["Environment"] == {
        "WEBUI_ASYNC_BUCKET": "art",
        "WEBUI_ASYNC_ENDPOINT": NAME,
        "WEBUI_ASYNC_MAX_JOBS": "8",
        "WEBUI_ASYNC_DRAWING_TIMEOUT_S": "450",
        "WEBUI_ASYNC_STARTUP_TIMEOUT_S": "1800",
        "WEBUI_ASYNC_INSTANCE_USD_PER_HOUR": "1.25",
        "WEBUI_ASYNC_FETCH_PARTS": "4",
        "A": "b",
    }


def test_an_archive_is_given_as_model_data_url() -> None:
    made = spec(pack=ARCHIVE)
    pack = PackFacts(pack_manifest(manifest.ARCHIVE), archive_bytes=7)
    container = call_of(plan_of(made, described(made, pack=pack)), "CreateModel").parameters[
        "PrimaryContainer"
    ]
    assert container["ModelDataUrl"] == ARCHIVE and "ModelDataSource" not in container


def test_the_configuration_holds_instances_timeouts_topics_and_jobs_in_hand() -> None:
    made = spec(
        initial_instances=2, max_instances=2, max_jobs=4, startup_timeout_s=900, download_timeout_s=600
    )
    config = call_of(plan_of(made, described(made)), "CreateEndpointConfig").parameters
    (variant,) = config["ProductionVariants"]
    assert variant.pop("ModelName").startswith(f"{NAME}-")
    assert variant == {
        "VariantName": "gpu",
        "InstanceType": "ml.g5.xlarge",
        "InferenceAmiVersion": "al2-ami-sagemaker-inference-gpu-3-1",
        "InitialInstanceCount": 2,
        "ModelDataDownloadTimeoutInSeconds": 600,
        "ContainerStartupHealthCheckTimeoutInSeconds": 900,
    }
    assert config["AsyncInferenceConfig"] == {
        "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 4},
        "OutputConfig": {
            "S3OutputPath": "s3://art/async-out",
            "S3FailurePath": "s3://art/async-failure",
            "NotificationConfig": {
                "SuccessTopic": OUTPUTS.success_topic,
                "ErrorTopic": OUTPUTS.error_topic,
            },
        },
    }
    assert "KmsKeyId" not in config


def test_vpc_disk_and_key_are_passed_on() -> None:
    made = spec(
        instance_type="ml.p3.2xlarge",
        volume_size_gb=100,
        kms_key="alias/art",
        subnets=("subnet-1",),
        security_groups=("sg-1", "sg-2"),
    )
    plan = plan_of(made, described(made))
    vpc = {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1", "sg-2"]}
    assert call_of(plan, "CreateModel").parameters["VpcConfig"] == vpc
    config = call_of(plan, "CreateEndpointConfig").parameters
    assert config["KmsKeyId"] == config["AsyncInferenceConfig"]["OutputConfig"]["KmsKeyId"] == "alias/art"
    assert config["ProductionVariants"][0]["VolumeSizeInGB"] == 100


def test_the_key_is_not_for_a_disk_of_the_instances_own() -> None:
    config = call_of(plan_of(spec(kms_key="k"), described(spec())), "CreateEndpointConfig").parameters
    assert config["AsyncInferenceConfig"]["OutputConfig"]["KmsKeyId"] == "k" and "KmsKeyId" not in config


def test_everything_made_carries_our_tag_and_the_callers() -> None:
    plan = plan_of(spec(tags={"team": "art"}), described(spec()))
    expected = [{"Key": "team", "Value": "art"}, {"Key": "webui-async:endpoint", "Value": NAME}]
    for operation in ("CreateModel", "CreateEndpointConfig", "CreateEndpoint", "PutMetricAlarm"):
        assert call_of(plan, operation).parameters["Tags"] == expected
    target = call_of(plan, "RegisterScalableTarget").parameters
    assert target["Tags"] == {"team": "art", "webui-async:endpoint": NAME}


def test_an_endpoint_that_is_never_at_zero_gets_no_step_policy() -> None:
    made = spec(min_instances=1)
    assert operations(plan_of(made, described(made)))[3:] == ["RegisterScalableTarget", "PutScalingPolicy"]


@pytest.mark.parametrize("done", range(1, 4))
def test_what_a_run_before_has_made_is_not_made_again(done: int) -> None:
    made, there = spec(), described(spec())
    held = after(made).held
    steps: list[dict[str, Any]] = [
        {"models": held.models},
        {"configs": held.configs},
        {"endpoint": held.endpoint},
    ]
    fields = {name: value for step in steps[:done] for name, value in step.items()}
    there = dataclasses.replace(there, held=dataclasses.replace(there.held, **fields))
    assert operations(plan_of(made, there)) == CREATION[done:]


# No change --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "made",
    [
        spec(),
        spec(usd_per_hour=2.0, tags={"team": "art"}, environment={"A": "b"}),
        spec(min_instances=1, max_instances=4, initial_instances=2),
    ],
)
def test_an_endpoint_that_is_as_it_is_to_be_needs_no_call(made: EndpointSpec) -> None:
    plan = plan_of(made, after(made))
    assert plan.calls == () and "nothing to do" in plan.text()


def test_another_number_of_instances_at_the_start_is_no_reason_for_an_update() -> None:
    before = spec(max_instances=3)
    assert plan_of(spec(max_instances=3, initial_instances=2), after(before)).calls == ()


@pytest.mark.parametrize(
    "offer", [Looked(Offer(9.0, True)), Looked(None, "not allowed"), Looked(Offer(1.0, False))]
)
def test_a_price_list_that_moved_is_no_reason_for_an_update(offer: Looked[Offer]) -> None:
    assert plan_of(spec(), dataclasses.replace(after(spec()), offer=offer)).calls == ()


def test_policies_of_other_hands_stay_and_are_told() -> None:
    there = after(spec())
    foreign = there.held.registered.policies[0] | {"PolicyName": "theirs", "PolicyType": "PredictiveScaling"}
    now = dataclasses.replace(there.held.registered, policies=(*there.held.registered.policies, foreign))
    plan = plan_of(spec(), with_registered(there, now))
    assert plan.calls == () and any("theirs" in note for note in plan.notes)


# Update -----------------------------------------------------------------------------------------------------


def test_another_pack_is_a_blue_green_update_that_keeps_the_instances() -> None:
    before, new = spec(), spec(pack=PACK.replace("0123456789ab", "ba9876543210"))
    there = after(before, wanted=3, instances=3)
    plan = plan_of(new, there)
    old = there.held
    assert operations(plan) == [
        "CreateModel",
        "CreateEndpointConfig",
        "UpdateEndpoint",
        "DeleteEndpointConfig",
        "DeleteModel",
    ]
    update = call_of(plan, "UpdateEndpoint")
    assert update.parameters == {
        "EndpointName": NAME,
        "EndpointConfigName": plan.config,
        "RetainAllVariantProperties": True,
        "DeploymentConfig": {
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
                "TerminationWaitInSeconds": 0,
                "MaximumExecutionTimeoutInSeconds": 5400,
            }
        },
    }
    assert f"pack {PACK} -> {new.pack}" in update.sentence and "3 instances kept" in update.sentence
    assert call_of(plan, "DeleteEndpointConfig").parameters == {"EndpointConfigName": old.configs[0]}
    assert call_of(plan, "DeleteModel").parameters == {"ModelName": old.models[0]}


def test_an_update_tells_settings_and_hides_what_may_be_secret() -> None:
    new = spec(environment={"WEBUI_ASYNC_FETCH_PARTS": "4", "HF_TOKEN": "hf_secret"}, max_job_s=60.0)
    sentence = call_of(plan_of(new, after(spec())), "UpdateEndpoint").sentence
    for told in (
        "WEBUI_ASYNC_DRAWING_TIMEOUT_S 450 -> 60",
        "WEBUI_ASYNC_FETCH_PARTS unset -> 4",
        "HF_TOKEN is another",
    ):
        assert told in sentence
    assert "hf_secret" not in plan_of(new, after(spec())).text()


def test_what_undoes_a_failed_update_takes_its_own_parts_only() -> None:
    new_model = plan_of(spec(max_job_s=60.0), after(spec()))
    assert [call.operation for call in new_model.undo] == ["DeleteEndpointConfig", "DeleteModel"]
    assert new_model.undo[0].parameters["EndpointConfigName"] == new_model.config
    new_config = plan_of(spec(download_timeout_s=60), after(spec()))
    assert [call.operation for call in new_config.undo] == ["DeleteEndpointConfig"]
    assert plan_of(spec(), after(spec())).undo == ()


def test_another_instance_type_needs_the_scaling_taken_off_meanwhile() -> None:
    new = spec(instance_type="ml.g5.2xlarge")
    plan = plan_of(new, after(spec()))
    assert operations(plan) == [
        "CreateEndpointConfig",
        "DeregisterScalableTarget",
        "DeleteAlarms",
        "UpdateEndpoint",
        *SCALING,
        "DeleteEndpointConfig",
    ]
    assert "instance_type ml.g5.xlarge -> ml.g5.2xlarge" in call_of(plan, "UpdateEndpoint").sentence


def test_more_instances_change_the_bounds_alone() -> None:
    plan = plan_of(spec(max_instances=4), after(spec()))
    (call,) = plan.calls
    assert (call.operation, call.verb) == ("RegisterScalableTarget", "change")
    assert (call.parameters["MinCapacity"], call.parameters["MaxCapacity"]) == (0, 4)
    assert "Tags" not in call.parameters  # AWS takes none for a target that exists


def test_another_target_changes_its_policy_alone() -> None:
    plan = plan_of(spec(backlog_target=16.0), after(spec()))
    (call,) = plan.calls
    assert (call.operation, call.parameters["PolicyName"], call.verb) == (
        "PutScalingPolicy",
        f"{NAME}-backlog",
        "change",
    )


def test_an_alarm_that_is_gone_comes_back_with_its_policy() -> None:
    there = after(spec())
    plan = plan_of(spec(), with_registered(there, dataclasses.replace(there.held.registered, alarms=())))
    assert [(call.operation, call.verb) for call in plan.calls] == [
        ("PutScalingPolicy", "change"),
        ("PutMetricAlarm", "create"),
    ]
    assert plan.calls[1].sets_off == f"{NAME}-from-zero"


def test_no_rest_any_more_takes_the_way_out_of_zero_away() -> None:
    plan = plan_of(spec(min_instances=1), after(spec()))
    assert operations(plan) == ["RegisterScalableTarget", "DeleteScalingPolicy", "DeleteAlarms"]


def test_scaling_that_was_suspended_by_hand_is_woken() -> None:
    there = after(spec())
    now = there.held.registered
    asleep = now.targets[0] | {"SuspendedState": {"DynamicScalingOutSuspended": True}}
    plan = plan_of(spec(), with_registered(there, dataclasses.replace(now, targets=(asleep,))))
    target = call_of(plan, "RegisterScalableTarget").parameters
    assert target["SuspendedState"]["DynamicScalingOutSuspended"] is False


def test_tags_that_are_missing_are_added_to_the_endpoint() -> None:
    plan = plan_of(spec(tags={"team": "art"}), after(spec()))
    (call,) = plan.calls
    assert call.operation == "AddTags" and call.parameters["Tags"] == [{"Key": "team", "Value": "art"}]


def test_leftovers_of_earlier_versions_go() -> None:
    there = after(spec())
    old = f"{NAME}-ffffffffffff"
    held = dataclasses.replace(
        there.held, configs=(*there.held.configs, old), models=(*there.held.models, old)
    )
    plan = plan_of(spec(), dataclasses.replace(there, held=held))
    assert [(call.operation, *call.parameters.values()) for call in plan.calls] == [
        ("DeleteEndpointConfig", old),
        ("DeleteModel", old),
    ]


def test_a_failed_endpoint_is_deleted_and_made_anew() -> None:
    plan = plan_of(spec(), after(spec(), status="Failed", failure="no /ping"))
    assert operations(plan) == [
        "DeregisterScalableTarget",
        "DeleteAlarms",
        "DeleteEndpoint",
        "CreateEndpoint",
        *SCALING,
    ]
    assert "no /ping" in call_of(plan, "DeleteEndpoint").sentence


def test_a_mix_after_a_failed_rollback_is_updated_once_more() -> None:
    plan = plan_of(spec(), after(spec(), status="UpdateRollbackFailed"))
    assert "UpdateEndpoint" in operations(plan)


def test_what_an_endpoint_that_others_deleted_has_left_is_taken_off_first() -> None:
    there = described(spec())
    plan = plan_of(spec(), with_registered(there, registered(spec())))
    assert operations(plan) == [
        "CreateModel",
        "CreateEndpointConfig",
        "DeregisterScalableTarget",
        "DeleteAlarms",
        "CreateEndpoint",
        *SCALING,
    ]


# Beside the calls -------------------------------------------------------------------------------------------


def test_the_price_is_the_specs_else_the_containers_else_the_lists() -> None:
    assert (
        "2 USD an hour for each instance (as the spec says)"
        in plan_of(spec(usd_per_hour=2.0), after(spec())).text()
    )
    moved = dataclasses.replace(after(spec()), offer=Looked(Offer(9.0, True)))
    assert (
        "1.5 USD an hour for each instance (as the container was told before)"
        in plan_of(spec(), moved).text()
    )
    fresh = plan_of(spec(max_instances=3), described(spec())).text()
    assert "1.5 USD an hour for each instance (AWS price list, eu-central-1)" in fresh
    assert "at rest 0.00 USD an hour (0 instances), at most 4.50 (3)" in fresh


def test_a_price_that_nobody_knows_is_asked_for() -> None:
    plan = plan_of(spec(), described(spec(), offer=Looked(None, "AWS refuses GetProducts")))
    assert "price unknown (AWS refuses GetProducts); say usd_per_hour" in plan.text()
    assert "WEBUI_ASYNC_INSTANCE_USD_PER_HOUR" not in str(call_of(plan, "CreateModel").parameters)


def test_the_start_from_zero_is_told_in_parts_as_an_estimate() -> None:
    text = plan_of(spec(start_seconds={"instance": 77.0}), described(spec())).text()
    assert "(an estimate)" in text
    for part in ("alarm", "instance", "image", "pack", "load", "warm-up"):
        assert f"\n  {part} " in text
    assert "about   77 s   as the spec says" in text


NOTES: list[tuple[EndpointSpec, dict[str, Any], str]] = [
    (spec(), {"quota": Looked(None, "not allowed")}, "is not known (not allowed)"),
    (spec(max_instances=9), {}, "less than max_instances 9: scaling ends there"),
    (spec(), {"offer": Looked(Offer(1.5, False))}, "for real-time endpoints only"),
    (
        spec(kms_key="alias/art"),
        {"outputs": dataclasses.replace(OUTPUTS, parameters={"KmsKeyArn": ""})},
        "kms_key is alias/art, which the stack was not deployed with",
    ),
]


@pytest.mark.parametrize(("made", "fields", "told"), NOTES)
def test_what_is_worth_knowing_is_noted(made: EndpointSpec, fields: dict[str, Any], told: str) -> None:
    plan = plan_of(made, described(made, **fields))
    assert any(told in note for note in plan.notes) and f"note: {plan.notes[0]}" in plan.text()
    assert not any(told in note for note in plan_of(spec(), described(spec())).notes)


def test_an_image_in_another_form_is_noted() -> None:
    there = described(spec())
    assert there.image is not None
    oci = dataclasses.replace(there.image, form="application/vnd.oci.image.index.v1+json")
    assert any("vnd.oci" in note for note in plan_of(spec(), dataclasses.replace(there, image=oci)).notes)


def test_an_update_that_nothing_tries_and_one_that_needs_room_are_noted() -> None:
    new = spec(max_job_s=60.0)
    assert any("at 0 instances" in note for note in plan_of(new, after(spec(), wanted=0)).notes)
    crowded = plan_of(new, after(spec(), wanted=3)).notes
    assert any("side by side, 6 for a while" in note for note in crowded)
    assert plan_of(new, after(spec())).notes == ()


def test_what_sagemaker_says_of_the_last_change_is_noted() -> None:
    assert any("no capacity" in note for note in plan_of(spec(), after(spec(), failure="no capacity")).notes)


def test_the_table_has_a_line_for_each_call() -> None:
    plan = plan_of(spec(), described(spec()))
    lines = plan.text().splitlines()[: len(plan.calls)]
    assert all(line.startswith("create  ") for line in lines)
    assert lines[0].split()[1:3] == ["sagemaker", "CreateModel"]
    assert wanted(spec()).model_name in lines[0]
