"""What a plan tells beside its calls: what changes, what it costs, what is worth knowing. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterator

from webui_async.contract.settings import PREFIX
from webui_async.deploy.aws_errors import QUOTAS_PAGE
from webui_async.deploy.calls import counted
from webui_async.deploy.described import Described, EndpointFacts
from webui_async.deploy.quotas import quota_name
from webui_async.deploy.requests import Wanted
from webui_async.deploy.scaling_plan import foreign_policies
from webui_async.deploy.spec import EndpointSpec

#: The one form of image that SageMaker was never seen to refuse: docs/build-and-push.md.
_DOCKER_FORM = "application/vnd.docker.distribution.manifest.v2+json"


def differences(spec: EndpointSpec, endpoint: EndpointFacts, wanted: Wanted) -> list[str]:
    """What an update changes: `instance_type ml.g5.xlarge -> ml.g5.2xlarge`."""
    environment = wanted.model["PrimaryContainer"]["Environment"]
    now = {"image": endpoint.image, "pack": endpoint.pack, "instance_type": endpoint.instance_type}
    to_be = {"image": spec.image, "pack": spec.pack, "instance_type": spec.instance_type}
    now |= {name: endpoint.environment.get(name) for name in sorted({*environment, *endpoint.environment})}
    to_be |= {name: environment.get(name) for name in now if name not in to_be}
    told = [_difference(name, now[name], to_be[name]) for name in now if now[name] != to_be[name]]
    return told or [f"configuration {endpoint.config} -> {wanted.config_name}"]


def _difference(name: str, now: str | None, to_be: str | None) -> str:
    """Variables that are not ours may be secret, and a plan is shown around."""
    if name.isupper() and not name.startswith(PREFIX):
        return f"{name} is another"
    return f"{name} {'unset' if now is None else now} -> {'unset' if to_be is None else to_be}"


def cost_lines(spec: EndpointSpec, described: Described, usd_per_hour: float | None) -> Iterator[str]:
    """What the instances cost, hour by hour."""
    if usd_per_hour is None:
        why = described.offer.why or "the AWS price list has none"
        yield f"{spec.instance_type}: price unknown ({why}); say usd_per_hour to have it here and in jobs"
        return
    offer = described.offer.value
    source = "as the spec says" if spec.usd_per_hour is not None else "as the container was told before"
    if spec.usd_per_hour is None and offer is not None and offer.usd_per_hour == usd_per_hour:
        source = f"AWS price list, {described.region}"
    low, high = spec.min_instances, spec.max_instances
    yield f"{spec.instance_type}: {usd_per_hour:g} USD an hour for each instance ({source})"
    yield (
        f"at rest {low * usd_per_hour:.2f} USD an hour ({counted(low)}), "
        f"at most {high * usd_per_hour:.2f} ({high}). After work an instance stays for 15 to 25 minutes"
    )


def remarks(spec: EndpointSpec, described: Described, operations: Container[str]) -> Iterator[str]:
    """operations: what the plan does, as AWS calls it."""
    yield from _about_quota(spec, described, "UpdateEndpoint" in operations)
    if spec.kms_key and spec.kms_key != described.outputs.parameters.get("KmsKeyArn", spec.kms_key):
        yield (
            f"kms_key is {spec.kms_key}, which the stack was not deployed with (KmsKeyArn): the key's own "
            "policy has to let the endpoint's role use it"
        )
    endpoint, offer = described.endpoint, described.offer.value
    if offer is not None and not offer.is_async:
        yield (
            f"the price list of {described.region} has {spec.instance_type} for real-time endpoints only: "
            "SageMaker may refuse it for asynchronous ones"
        )
    if described.image is not None and described.image.form not in ("", _DOCKER_FORM):
        yield f"the image's manifest is {described.image.form}: SageMaker was seen to refuse all but Docker's"
    if endpoint is not None and endpoint.failure and endpoint.status != "Failed":
        yield f"SageMaker says of the endpoint's last change: {endpoint.failure}"
    if endpoint is not None and "UpdateEndpoint" in operations and endpoint.wanted == 0:
        yield (
            "the endpoint is at 0 instances, so nothing tries the update before a job wakes it. "
            "To have it tried, and rolled back if need be: `webui-async endpoint scale --now 1` first"
        )
    if foreign := foreign_policies(described.name, described.held.registered):
        yield f"scaling policies that are not ours stay: {', '.join(foreign)}"


def _about_quota(spec: EndpointSpec, described: Described, is_update: bool) -> Iterator[str]:
    quota, name = described.quota.value, quota_name(spec.instance_type)
    if quota is None:
        why = described.quota.why or "Service Quotas lists none"
        yield f"the quota {name!r} is not known ({why}). New accounts often have 0: {QUOTAS_PAGE}"
        return
    where = f"{QUOTAS_PAGE}/{quota.code}"
    if quota.value < spec.max_instances:
        yield (
            f"the quota {name!r} is {quota.value:g}, less than max_instances {spec.max_instances}: scaling "
            f"ends there, and nothing but `endpoint status` tells. Ask for more: {where}"
        )
    running = described.endpoint.wanted if described.endpoint else 0
    if is_update and quota.value < 2 * running:
        yield (
            f"an update runs old and new instances side by side, {2 * running} for a while, and the quota "
            f"{name!r} is {quota.value:g}: scale in first, or ask for more: {where}"
        )
