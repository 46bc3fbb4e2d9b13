"""What the deployer plans, held against botocore's own service model, for short names and for the longest."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from tests.unit.deploy.made import ARCHIVE, OUTPUTS, after, described, pack_manifest, spec
from webui_async.contract import manifest
from webui_async.contract.settings import ServeSettings
from webui_async.deploy.calls import Call
from webui_async.deploy.delete import delete_calls
from webui_async.deploy.described import Described, Held
from webui_async.deploy.materials import PackFacts
from webui_async.deploy.plan import make_plan
from webui_async.deploy.scale import scale_calls
from webui_async.deploy.spec import AMI_VERSION, MAX_INVOCATION_S, EndpointSpec
from webui_async.local.service_model import violations
from webui_async.retry import INVOCATION_TIMEOUT_S

ROOT = Path(__file__).resolve().parents[2]
ARN = "arn:aws:autoscaling:eu-central-1:123456789012:scalingPolicy:1:resource/sagemaker/x:policyName/p"
NAMES = ["p", "painter", "p" * 63]
FULL = {
    "instance_type": "ml.p3.2xlarge",
    "volume_size_gb": 512,
    "min_instances": 0,
    "max_instances": 4,
    "initial_instances": 4,
    "max_jobs": 36,
    "max_job_s": 100.0,
    "startup_timeout_s": 3600,
    "download_timeout_s": 3600,
    "subnets": tuple(f"subnet-{n:017x}" for n in range(16)),
    "security_groups": tuple(f"sg-{n:017x}" for n in range(5)),
    "kms_key": "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "tags": {"team name": "art + ink", "cost": ""},
    "environment": {"WEBUI_ASYNC_FETCH_PARTS": "4", "_X": "y" * 1024},
    "usd_per_hour": 0.1,
}
SPECS = [spec(), spec(min_instances=1), spec(pack=ARCHIVE), spec(**FULL)]


@functools.cache
def service_model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def violations_of(call: Call) -> list[str]:
    model = service_model(call.service).operation_model(call.operation)
    parameters: dict[str, Any] = dict(call.parameters) | ({"AlarmActions": [ARN]} if call.sets_off else {})
    unknown = set(parameters) - set(model.input_shape.members)
    return violations(model.input_shape, parameters) + [
        f"{call.operation}: no parameter {name}" for name in unknown
    ]


def named(there: Described, made: EndpointSpec, name: str) -> Described:
    pack = there.pack
    if made.pack == ARCHIVE:
        pack = PackFacts(pack_manifest(manifest.ARCHIVE), archive_bytes=7)
    outputs = dataclasses.replace(OUTPUTS, endpoint=name)
    return dataclasses.replace(
        there, outputs=outputs, pack=pack, held=dataclasses.replace(there.held, name=name)
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("made", SPECS)
def test_every_request_of_a_creation_is_one_that_aws_takes(made: EndpointSpec, name: str) -> None:
    calls = make_plan(made, named(described(made), made, name)).calls
    assert len(calls) >= 5
    assert [found for call in calls for found in violations_of(call)] == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("before", SPECS[:2])
def test_every_request_of_an_update_is_one_that_aws_takes(before: EndpointSpec, name: str) -> None:
    new = spec(**FULL)
    there = after(before)
    assert there.endpoint is not None
    tags = {"webui-async:endpoint": name}
    old = dataclasses.replace(there.endpoint, tags=tags)
    there = dataclasses.replace(there, held=dataclasses.replace(there.held, endpoint=old))
    plan = make_plan(new, named(there, new, name))
    operations = {call.operation for call in plan.calls}
    assert {"UpdateEndpoint", "DeregisterScalableTarget", "AddTags", "DeleteEndpointConfig"} <= operations
    assert [found for call in (*plan.calls, *plan.undo) for found in violations_of(call)] == []


@pytest.mark.parametrize("bounds", [{"now": 3}, {"least": 1, "most": 9}, {"least": 0, "most": 2, "now": 2}])
def test_every_request_of_a_scaling_is_one_that_aws_takes(bounds: dict[str, int]) -> None:
    calls = scale_calls(after(spec(min_instances=1, max_instances=4, initial_instances=1)).held, **bounds)
    assert calls and [found for call in calls for found in violations_of(call)] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_request_of_a_delete_is_one_that_aws_takes(name: str) -> None:
    held: Held = dataclasses.replace(after(spec()).held, name=name)
    assert held.endpoint is not None
    ours = dataclasses.replace(held.endpoint, tags={"webui-async:endpoint": name})
    held = dataclasses.replace(held, endpoint=ours)
    calls = [*delete_calls(held, "art", ["gpu/i-0123456789abcdef0"]), *delete_calls(held, None, [])]
    assert len(calls) == 7 + 6
    assert [found for call in calls for found in violations_of(call)] == []


def test_a_request_that_aws_refuses_would_be_noticed() -> None:
    bad = Call("sagemaker", "DeleteModel", {"ModelName": "p" * 64, "Force": True}, "delete", "")
    assert len(violations_of(bad)) == 2


def test_the_hosts_image_is_the_one_that_fits_the_containers_cuda() -> None:
    platform = json.loads((ROOT / "stable-diffusion-webui" / "platform.json").read_text())
    assert platform["inference_ami_version"] == AMI_VERSION


def test_spec_functions_and_container_have_the_same_limits() -> None:
    assert MAX_INVOCATION_S == INVOCATION_TIMEOUT_S == spec().invocation_timeout_s
    serve = ServeSettings.__dataclass_fields__
    assert spec().max_jobs == serve["max_jobs"].default
    assert spec().max_job_s == serve["drawing_timeout_s"].default
