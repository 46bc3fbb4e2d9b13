"""What the local stack makes of template.yaml: everything in it, and nothing beside it."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.translated import FUNCTIONS, PATH, translated, without
from webui_async.local.control_plane import ControlPlane
from webui_async.local.deployed import Deployed
from webui_async.local.deployment import deploy_template
from webui_async.local.errors import TemplateError
from webui_async.local.template import load_yaml


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    plane = ControlPlane.start(tmp_path_factory.mktemp("plane"))
    yield plane
    plane.stop()


@pytest.fixture(scope="module")
def deployed(plane: ControlPlane) -> Deployed:
    return deploy_template(plane, PATH, {}, "whole-stack")


def test_every_function_has_a_handler_settings_and_a_role_of_its_own(deployed: Deployed) -> None:
    functions = deployed.functions
    assert set(functions) == {f"{name}Function" for name in FUNCTIONS}
    assert len({function.role_arn for function in functions.values()}) == len(FUNCTIONS)
    for function in functions.values():
        module, _, name = function.handler.rpartition(".")
        assert name == "handler" and importlib.util.find_spec(module) is not None
        assert function.environment["WEBUI_ASYNC_BUCKET"] == deployed.outputs["BucketName"]


def test_every_route_of_the_template_is_served_and_asks_for_a_key_as_it_says(deployed: Deployed) -> None:
    written = {
        (event["Properties"]["Method"], event["Properties"]["Path"]): event["Properties"].get("Auth", {})
        for body in load_yaml(PATH)["Resources"].values()
        for event in body.get("Properties", {}).get("Events", {}).values()
        if body["Type"] == "AWS::Serverless::Function" and event["Type"] == "Api"
    }
    (api,) = deployed.apis.values()
    served = {(route.method, route.path): route.needs_key for route in api.routes}
    assert served == {at: auth.get("ApiKeyRequired", True) for at, auth in written.items()}


def test_every_resource_of_the_template_was_made(deployed: Deployed) -> None:
    assert set(deployed.outputs) == set(translated().outputs)
    assert set(deployed.stages) == {"v1"}
    assert len(deployed.event_sources) == 2 and len(deployed.schedules) == 1
    assert len(deployed.api_keys) == 1 and len(deployed.usage_plans) == 1


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (("CompleteFunction", "Properties", "Events", "Events"), "event_sources"),
        (("DeliverFunction", "Properties", "Events", "Callbacks"), "event_sources"),
        (("ReapFunction", "Properties", "Events", "Schedule"), "schedules"),
        (("UsagePlanKey",), "usage_plans"),
        (("SubmitFunction", "Properties", "Events", "Jobs"), "apis"),
        (("Api", "Properties", "GatewayResponses", "THROTTLED"), "apis"),
    ],
)
def test_a_piece_taken_out_is_missing(
    plane: ControlPlane, deployed: Deployed, tmp_path: Path, path: tuple[str, ...], field: str
) -> None:
    stack = tmp_path.name.replace("_", "-").lower()
    template = without(tmp_path, *path)
    cut = deploy_template(plane, template, {"EndpointName": stack}, stack)
    assert shape(getattr(cut, field), stack) != shape(getattr(deployed, field), "whole-stack")


def test_a_copy_that_lacks_nothing_makes_the_same(
    plane: ControlPlane, deployed: Deployed, tmp_path: Path
) -> None:
    stack = tmp_path.name.replace("_", "-").lower()
    same = deploy_template(plane, without(tmp_path), {"EndpointName": stack}, stack)
    for field in ("event_sources", "schedules", "usage_plans", "apis"):
        assert shape(getattr(same, field), stack) == shape(getattr(deployed, field), "whole-stack")


def shape(records: dict[str, Any], stack: str) -> str:
    """What the records say, whatever the stack and its keys are called."""
    text = "\n".join(sorted(str(record).replace(stack, "STACK") for record in records.values()))
    return re.sub(r"'[0-9a-z]{10}'", "KEY", text)


@pytest.mark.parametrize("name", ["EventsQueue", "CallbackSecret", "SubmitRole", "EventsQueuePolicy"])
def test_a_resource_that_others_need_cannot_be_taken_out(
    plane: ControlPlane, tmp_path: Path, name: str
) -> None:
    stack = tmp_path.name.replace("_", "-").lower()
    with pytest.raises(TemplateError, match=name):
        deploy_template(plane, without(tmp_path, name), {"EndpointName": stack}, stack)


def test_the_alarms_of_the_template_are_there_with_their_thresholds(plane: ControlPlane) -> None:
    parameters = {"EndpointName": "heard", "AlarmFailedJobs": "3", "AlarmOldestRequestS": "900"}
    deployed = deploy_template(plane, PATH, parameters, "alarmed")
    alarms = plane.client("cloudwatch").describe_alarms(AlarmNamePrefix="alarmed-")["MetricAlarms"]
    assert {alarm["AlarmName"]: alarm["Threshold"] for alarm in alarms} == {
        "alarmed-jobs-failed": 3.0,
        "alarmed-oldest-request": 900.0,
        "alarmed-events-dead": 1.0,
        "alarmed-callbacks-dead": 1.0,
    }
    assert {tuple(alarm["AlarmActions"]) for alarm in alarms} == {(deployed.outputs["AlarmsTopicArn"],)}


def test_an_address_for_alarms_needs_a_stack_that_can_mail(plane: ControlPlane) -> None:
    parameters = {"EndpointName": "mailed", "AlarmEmail": "art@example.com"}
    with pytest.raises(TemplateError, match="AlarmSubscription subscribes email"):
        deploy_template(plane, PATH, parameters, "mailing")


def test_a_key_and_a_network_of_ones_own_give_the_roles_what_they_need_for_it(plane: ControlPlane) -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d"
    parameters = {"EndpointName": "kept", "KmsKeyArn": key, "EndpointInVpc": "true"}
    deployed = deploy_template(plane, PATH, parameters, "own-key")
    iam, s3 = plane.client("iam"), plane.client("s3")
    policies = {
        role: set(iam.list_role_policies(RoleName=f"own-key-{role}")["PolicyNames"])
        for role in ("SubmitRole", "ApiRole", "CompleteRole", "DeliverRole", "ReapRole", "EndpointRole")
    }
    assert all("kms" in names for names in policies.values())
    assert [role for role, names in policies.items() if "vpc" in names] == ["EndpointRole"]
    encryption = s3.get_bucket_encryption(Bucket=deployed.outputs["BucketName"])
    (rule,) = encryption["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
