"""Specs, and what AWS might have of them, made by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

from webui_async.contract import manifest
from webui_async.contract.manifest import Manifest, ManifestFile
from webui_async.deploy import names
from webui_async.deploy.described import Described, EndpointFacts, Held, Registered
from webui_async.deploy.looked import Looked
from webui_async.deploy.materials import ImageFacts, PackFacts
from webui_async.deploy.plan import price_for
from webui_async.deploy.prices import Offer
from webui_async.deploy.quotas import Quota
from webui_async.deploy.requests import Wanted, wanted_requests
from webui_async.deploy.scaling_calls import scaling_requests
from webui_async.deploy.spec import EndpointSpec
from webui_async.deploy.stack import StackOutputs

REGION = "eu-central-1"
NAME = "painter"
IMAGE = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/webui-async-inference:0.1.0-3f2a91c04d7e"
PACK = "s3://art/packs/ink/0123456789ab/"
ARCHIVE = "s3://art/packs/ink/0123456789ab-tar.gz/model.tar.gz"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
GIB = 1 << 30
OUTPUTS = StackOutputs(
    bucket="art",
    endpoint=NAME,
    role_arn="arn:aws:iam::123456789012:role/house-EndpointRole-1",
    success_topic=f"arn:aws:sns:{REGION}:123456789012:house-sagemaker-success",
    error_topic=f"arn:aws:sns:{REGION}:123456789012:house-sagemaker-errors",
    api_url="https://api.example.com/v1",
    api_key_id="key-1",
    callback_secret_arn=f"arn:aws:secretsmanager:{REGION}:123456789012:secret:house-callbacks",
)
QUOTA = Quota("ml.g5.xlarge for endpoint usage", 4, "L-1928E07B")


def spec(**fields: Any) -> EndpointSpec:
    return EndpointSpec(**({"stack": "house", "image": IMAGE, "pack": PACK} | fields))


def pack_manifest(form: str = manifest.PREFIX, kind: str | None = "checkpoint") -> Manifest:
    weights = ManifestFile("Stable-diffusion/ink.safetensors", 2 * GIB, "0" * 64, kind, "SD1", "fp16", "ab")
    return Manifest(form, (weights,), 0.0)


GOOD_PACK = PackFacts(pack_manifest())


def described(wanted_spec: EndpointSpec, **fields: Any) -> Described:
    """An account that has the image and the pack, and no endpoint."""
    base = Described(
        REGION,
        OUTPUTS,
        ImageFacts(5 * GIB, DOCKER),
        GOOD_PACK,
        Held(NAME),
        Looked(Offer(1.5, True)),
        Looked(QUOTA),
    )
    return dataclasses.replace(base, **fields)


def wanted(wanted_spec: EndpointSpec, before: Described | None = None) -> Wanted:
    there = before or described(wanted_spec)
    return wanted_requests(wanted_spec, there.name, there.outputs, price_for(wanted_spec, there))


def registered(wanted_spec: EndpointSpec, name: str = NAME) -> Registered:
    """What AWS describes once everything of the spec's scaling was registered."""
    requests = scaling_requests(wanted_spec.scaling(name), name, names.VARIANT)
    policies = [policy | {"PolicyARN": f"arn:{policy['PolicyName']}"} for policy in requests.policies]
    alarms = [alarm | {"AlarmActions": [f"arn:{alarm['AlarmName']}"]} for alarm in requests.alarms]
    return Registered((requests.target,), tuple(policies), tuple(alarms))


def after(wanted_spec: EndpointSpec, **endpoint: Any) -> Described:
    """An account in which the spec was applied."""
    made = wanted(wanted_spec)
    container = made.model["PrimaryContainer"]
    facts = EndpointFacts(
        arn=f"arn:aws:sagemaker:{REGION}:123456789012:endpoint/{NAME}",
        status="InService",
        config=made.config_name,
        instances=1,
        wanted=1,
        tags=names.tags_of(NAME, wanted_spec.tags),
        instance_type=wanted_spec.instance_type,
        model=made.model_name,
        image=wanted_spec.image,
        pack=wanted_spec.pack,
        environment=container["Environment"],
    )
    held = Held(
        NAME,
        dataclasses.replace(facts, **endpoint),
        (made.config_name,),
        (made.model_name,),
        registered(wanted_spec),
    )
    return described(wanted_spec, held=held)
