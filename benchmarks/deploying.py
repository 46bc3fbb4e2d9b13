"""The deployer against the local control plane: a plan's time, an apply's changes, what a delete leaves.

Nothing hosts the endpoints here: what is asked for holds at once, so that only the deployer is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, percentile
from webui_async.contract import manifest
from webui_async.contract.manifest import Manifest, ManifestFile
from webui_async.deploy.endpoint import apply_plan, delete_endpoint, plan_endpoint
from webui_async.deploy.spec import EndpointSpec
from webui_async.local.control_plane import ACCOUNT, REGION, ControlPlane

ROOT = Path(__file__).resolve().parents[1]
STACK, ENDPOINT, BUCKET, REPOSITORY = "house", "painter", "art", "webui-async-inference"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{REPOSITORY}:1"
_PLANS = 20
_COMMANDS = 5
_READING = ("Describe", "Get", "List", "Head")
_OUTPUTS = {
    "BucketName": BUCKET,
    "EndpointName": ENDPOINT,
    "EndpointRoleArn": f"arn:aws:iam::{ACCOUNT}:role/painter",
    "SuccessTopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:success",
    "ErrorTopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:errors",
    "ApiUrl": "https://api.example.com/v1",
    "ApiKeyId": "key",
    "CallbackSecretArn": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:callbacks",
}


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        plane = ControlPlane.start(Path(folder))
        try:
            yield from _figures(plane)
        finally:
            plane.stop()


def _figures(plane: ControlPlane) -> Iterator[Figure]:
    spec = EndpointSpec(stack=STACK, image=IMAGE, pack=_fill(plane), max_instances=2, usd_per_hour=1.0)
    changes = _watched(plane)
    began = time.monotonic()
    plan = plan_endpoint(spec, plane)
    yield Figure("deploying.first_plan", time.monotonic() - began, "s")
    began = time.monotonic()
    apply_plan(plan, plane, say=lambda _: None)
    yield Figure("deploying.apply", time.monotonic() - began, "s")
    seconds = [_timed_plan(spec, plane) for _ in range(_PLANS)]
    yield Figure("deploying.plan", percentile(seconds, 95), "s", 2.0)
    commands = [_timed_command(spec, plane) for _ in range(_COMMANDS)]
    yield Figure("deploying.plan_command", percentile(commands, 95), "s", 2.0)
    changes.clear()
    apply_plan(plan_endpoint(spec, plane), plane, say=lambda _: None)
    yield Figure("deploying.changes_without_a_change", len(changes), "calls", 0.0)
    delete_endpoint(plane, STACK, say=lambda _: None, logs=True)
    yield Figure("deploying.left_after_delete", len(_listed(plane)), "things", 0.0)


def _fill(plane: ControlPlane) -> str:
    """A stack, an image and a model pack, whose uri it gives."""
    document = {
        "Conditions": {"Never": {"Fn::Equals": ["yes", "no"]}},
        "Resources": {"Nothing": {"Type": "AWS::SNS::Topic", "Condition": "Never"}},
        "Outputs": {name: {"Value": value} for name, value in _OUTPUTS.items()},
    }
    plane.client("cloudformation").create_stack(StackName=STACK, TemplateBody=json.dumps(document))
    plane.client("ecr").create_repository(repositoryName=REPOSITORY)
    image = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}
    image |= {"layers": [], "config": {"digest": "sha256:1"}}
    plane.client("ecr").put_image(repositoryName=REPOSITORY, imageManifest=json.dumps(image), imageTag="1")
    s3 = plane.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    weights = ManifestFile("Stable-diffusion/ink.safetensors", 1, "0" * 64, "checkpoint", "SD1", "fp16", "0")
    pack = Manifest(manifest.PREFIX, (weights,), 0.0)
    prefix = f"packs/ink/{pack.version}/"
    s3.put_object(Bucket=BUCKET, Key=prefix + manifest.NAME, Body=pack.to_bytes())
    return f"s3://{BUCKET}/{prefix}"


def _watched(plane: ControlPlane) -> list[str]:
    """The requests that change something, from here on."""
    changes: list[str] = []

    def note(model: Any, **_: Any) -> None:
        if not model.name.startswith(_READING):
            changes.append(model.name)

    for service in (
        "sagemaker",
        "application-autoscaling",
        "cloudwatch",
        "logs",
        "s3",
        "ecr",
        "cloudformation",
    ):
        plane.client(service).meta.events.register("before-call", note)
    return changes


def _timed_plan(spec: EndpointSpec, plane: ControlPlane) -> float:
    began = time.monotonic()
    plan = plan_endpoint(spec, plane)
    assert plan.calls == ()
    return time.monotonic() - began


def _timed_command(spec: EndpointSpec, plane: ControlPlane) -> float:
    """The command as one types it: Python's start and the clients included."""
    aws = {"AWS_ENDPOINT_URL": plane.endpoint_url, "AWS_REGION": REGION, "PYTHONPATH": str(ROOT)}
    flags = ["--stack", STACK, "--image", IMAGE, "--pack", spec.pack, "--usd-per-hour", "1"]
    command = [sys.executable, "-c", "import sys; from webui_async.cli import main; sys.exit(main())"]
    began = time.monotonic()
    subprocess.run(
        [*command, "endpoint", "plan", *flags],
        env=dict(os.environ) | aws | plane.admin.environment(),
        check=True,
        capture_output=True,
    )
    return time.monotonic() - began


def _listed(plane: ControlPlane) -> list[str]:
    """Everything of the endpoint's that the control plane lists."""
    sagemaker, scaling = plane.client("sagemaker"), plane.client("application-autoscaling")
    catalog = plane.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="catalog/")
    return [
        *(each["EndpointName"] for each in sagemaker.list_endpoints()["Endpoints"]),
        *(each["EndpointConfigName"] for each in sagemaker.list_endpoint_configs()["EndpointConfigs"]),
        *(each["ModelName"] for each in sagemaker.list_models()["Models"]),
        *(
            each["ResourceId"]
            for each in scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
        ),
        *(
            each["PolicyName"]
            for each in scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
        ),
        *(each["AlarmName"] for each in plane.client("cloudwatch").describe_alarms()["MetricAlarms"]),
        *(each["Key"] for each in catalog.get("Contents", ())),
    ]
