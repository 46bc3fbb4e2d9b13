"""What stands in the way of a plan, found before anything is changed. Pure."""

from __future__ import annotations

from webui_async.contract import manifest
from webui_async.contract.errors import (
    BadModelPack,
    EndpointBusy,
    EndpointNameTaken,
    ImageMissing,
    InvalidSpec,
    PackFormWrong,
    PackMissing,
    TypeUnavailable,
)
from webui_async.deploy import names
from webui_async.deploy.aws_errors import quota_exceeded
from webui_async.deploy.described import Described, EndpointFacts
from webui_async.deploy.quotas import quota_name
from webui_async.deploy.spec import EndpointSpec
from webui_async.packager.places import ARCHIVE_NAME


def check(spec: EndpointSpec, described: Described) -> None:
    """Nothing when the plan can be made. Raises the error that says what to do first."""
    _check_name(spec, described)
    _check_role(spec, described)
    _check_image(spec, described)
    _check_pack(spec, described)
    _check_type(spec, described)
    if described.endpoint is not None:
        require_ours(described.name, described.endpoint)
        require_calm(described.name, described.endpoint)
    _check_quota(spec, described)


def require_ours(name: str, endpoint: EndpointFacts) -> None:
    """Raises EndpointNameTaken."""
    if endpoint.tags.get(names.TAG) != name or not endpoint.is_async:
        what = (
            "it is no asynchronous endpoint" if not endpoint.is_async else f"it has no tag {names.TAG}={name}"
        )
        raise EndpointNameTaken(
            f"an endpoint {name!r} exists and is not ours ({what}). "
            "Deploy the stack with another EndpointName, "
            "or delete that endpoint, or give it that tag to take it over"
        )


def require_calm(name: str, endpoint: EndpointFacts) -> None:
    """Raises EndpointBusy."""
    if endpoint.is_busy:
        raise EndpointBusy(
            f"endpoint {name!r} is {endpoint.status}, and takes no other change before that has ended. Wait: "
            "`webui-async endpoint status` shows it, and `apply` waits by itself"
        )


def _check_name(spec: EndpointSpec, described: Described) -> None:
    theirs = described.outputs.endpoint
    if described.name != theirs:
        rule = (
            f"stack {spec.stack!r} is made for endpoint {theirs!r}: its functions invoke it, and its "
            "role may write no other catalog. Leave the name out, or deploy the stack with that EndpointName"
        )
        raise InvalidSpec("name", described.name, rule)


def _check_role(spec: EndpointSpec, described: Described) -> None:
    """What the stack's parameters let the endpoint's role do."""
    said, repository = described.outputs.parameters, spec.image_parts.repository
    theirs = said.get("ImageRepository", repository)
    if theirs != repository:
        rule = (
            f"the endpoint's role may pull from the repository {theirs!r} only: push the image there, or "
            f"deploy the stack with ImageRepository={repository}"
        )
        raise InvalidSpec("image", spec.image, rule)
    if spec.subnets and said.get("EndpointInVpc", "true") != "true":
        rule = "the endpoint's role may not use a VPC: deploy the stack with EndpointInVpc=true"
        raise InvalidSpec("subnets", list(spec.subnets), rule)


def _check_image(spec: EndpointSpec, described: Described) -> None:
    image = spec.image_parts
    if image.region != described.region:
        raise ImageMissing(
            f"image {spec.image} lies in {image.region}, and SageMaker pulls from its own region only, "
            f"{described.region}: run ./build_and_push.sh {described.region}"
        )
    if described.image is None:
        raise ImageMissing(
            f"ECR does not hold {spec.image}: run ./build_and_push.sh {described.region}, "
            "and use the URI that it prints"
        )


def _check_pack(spec: EndpointSpec, described: Described) -> None:
    place, pack, ours = spec.pack_parts, described.pack, described.outputs.bucket
    if place.bucket != ours:
        rule = f"the endpoint's role reads model packs in s3://{ours}/packs/ only: push it there"
        raise InvalidSpec("pack", spec.pack, rule)
    push = "`webui-async models push` says last what to use"
    if pack.is_empty:
        raise PackMissing(f"there is no model pack at {spec.pack}: {push}")
    if pack.manifest is None:
        raise PackMissing(
            f"the model pack at {spec.pack} is not finished: push it again, which goes on. {push}"
        )
    is_archive = pack.manifest.form == manifest.ARCHIVE
    if is_archive != place.is_archive:
        form = (
            f"an archive: it is {place.prefix}{ARCHIVE_NAME}"
            if is_archive
            else f"plain files: it is {place.prefix}"
        )
        raise PackFormWrong(f"pack is {spec.pack}; what lies there is {form}. {push}")
    if is_archive and pack.archive_bytes is None:
        raise PackMissing(f"there is a manifest and no archive at {spec.pack}: push the pack again")
    if not pack.checkpoints:
        raise BadModelPack(
            f"the model pack at {spec.pack} holds no good checkpoint, so nothing could draw: put one into "
            "Stable-diffusion/, look at it with `webui-async models check`, and push"
        )


def _check_type(spec: EndpointSpec, described: Described) -> None:
    """Service Quotas lists a type where it is offered, and so does the price list."""
    is_listed = described.quota.value is not None
    if described.offer.is_known and described.offer.value is None and not is_listed:
        raise TypeUnavailable(
            f"instance_type is {spec.instance_type}, and SageMaker does not offer it in {described.region}: "
            "the region's price list has none. Choose another type, or deploy in another region"
        )


def _check_quota(spec: EndpointSpec, described: Described) -> None:
    quota, endpoint = described.quota.value, described.endpoint
    runs_already = endpoint is not None and endpoint.instance_type == spec.instance_type
    need = 1 if endpoint else spec.initial_instances
    if quota is not None and quota.value < need and not runs_already:
        told = f"at least {need} needed"
        raise quota_exceeded(quota_name(spec.instance_type), f"{quota.value:g}", told, quota.code)
