"""What is there now, on AWS, for one endpoint. Describe, list and get calls only, side by side."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from webui_async.contract.settings import PREFIX
from webui_async.deploy import names
from webui_async.deploy.aws_errors import is_absent, told
from webui_async.deploy.clients import Clients
from webui_async.deploy.looked import Looked, looked
from webui_async.deploy.materials import ImageFacts, PackFacts, read_image, read_pack
from webui_async.deploy.prices import Offer, read_offer
from webui_async.deploy.quotas import Quota, read_quota
from webui_async.deploy.scaling_calls import DIMENSION, SERVICE
from webui_async.deploy.spec import EndpointSpec
from webui_async.deploy.stack import StackOutputs
from webui_async.store import Store

PRICE_VARIABLE = f"{PREFIX}INSTANCE_USD_PER_HOUR"
_LOOKS_AT_A_TIME = 12
#: Statuses in which SageMaker takes no other change.
BUSY = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")


@dataclass(frozen=True)
class EndpointFacts:
    """An endpoint of that name, and what its configuration says."""

    arn: str
    status: str  #: SageMaker's word
    config: str  #: name of its configuration
    failure: str | None = None  #: SageMaker's FailureReason
    instances: int = 0  #: in service
    wanted: int = 0  #: DesiredInstanceCount
    tags: Mapping[str, str] = field(default_factory=dict)
    is_async: bool = True
    instance_type: str | None = None  #: None when its configuration is gone
    model: str | None = None
    image: str | None = None
    pack: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_busy(self) -> bool:
        return self.status in BUSY

    @property
    def usd_per_hour(self) -> float | None:
        """The price that its container was given."""
        try:
            return float(self.environment[PRICE_VARIABLE])
        except (KeyError, ValueError):
            return None


@dataclass(frozen=True)
class Registered:
    """What Application Auto Scaling and CloudWatch hold for the endpoint, in their own words."""

    targets: tuple[Mapping[str, Any], ...] = ()
    policies: tuple[Mapping[str, Any], ...] = ()
    alarms: tuple[Mapping[str, Any], ...] = ()  #: of the names that we give


@dataclass(frozen=True)
class Held:
    """What there is of one endpoint, whatever it is to become."""

    name: str
    endpoint: EndpointFacts | None = None
    configs: tuple[str, ...] = ()  #: endpoint configurations that were made for it
    models: tuple[str, ...] = ()  #: SageMaker models that were made for it
    registered: Registered = field(default_factory=Registered)


@dataclass(frozen=True)
class Described:
    """Everything that a plan is made from, beside the spec."""

    region: str
    outputs: StackOutputs
    image: ImageFacts | None
    pack: PackFacts
    held: Held
    offer: Looked[Offer]
    quota: Looked[Quota]

    @property
    def name(self) -> str:
        return self.held.name

    @property
    def endpoint(self) -> EndpointFacts | None:
        return self.held.endpoint


def describe(aws: Clients, spec: EndpointSpec) -> Described:
    """What is there for the spec. Raises StackMissing, NotAllowed, AwsUnreachable and their like."""
    with ThreadPoolExecutor(_LOOKS_AT_A_TIME, thread_name_prefix="describe") as pool:
        offer = pool.submit(looked, functools.partial(_read_offer, aws, spec.instance_type))
        quota = pool.submit(looked, functools.partial(_read_quota, aws, spec.instance_type))
        image = pool.submit(lambda: read_image(aws.client("ecr"), spec.image_parts))
        pack = pool.submit(lambda: read_pack(_store(aws, spec.pack_parts.bucket), spec.pack_parts))
        outputs = StackOutputs.read(aws.client("cloudformation"), spec.stack)
        held = _hold(pool, aws, spec.name or outputs.endpoint)
        return Described(
            aws.region, outputs, image.result(), pack.result(), held(), offer.result(), quota.result()
        )


def describe_held(aws: Clients, name: str) -> Held:
    """What there is of the endpoint of that name."""
    with ThreadPoolExecutor(_LOOKS_AT_A_TIME, thread_name_prefix="describe") as pool:
        return _hold(pool, aws, name)()


def describe_endpoint(sagemaker: Any, name: str) -> Mapping[str, Any] | None:
    """DescribeEndpoint's answer; None when there is no such endpoint."""
    return _unless_absent(lambda: sagemaker.describe_endpoint(EndpointName=name))


def _hold(pool: ThreadPoolExecutor, aws: Clients, name: str) -> Callable[[], Held]:
    """Starts to look, and gives what waits for it."""
    endpoint = pool.submit(_read_endpoint, aws, name)
    configs = pool.submit(_list_names, aws, name, "endpoint_configs", "EndpointConfig")
    models = pool.submit(_list_names, aws, name, "models", "Model")
    registered: list[Future[tuple[Mapping[str, Any], ...]]] = [
        pool.submit(read, aws, name) for read in (_targets, _policies, _alarms)
    ]
    return lambda: Held(
        name,
        endpoint.result(),
        configs.result(),
        models.result(),
        Registered(*(each.result() for each in registered)),
    )


def _read_endpoint(aws: Clients, name: str) -> EndpointFacts | None:
    sagemaker = aws.client("sagemaker")
    with told("sagemaker"):
        endpoint = describe_endpoint(sagemaker, name)
        if endpoint is None:
            return None
        tags = sagemaker.list_tags(ResourceArn=endpoint["EndpointArn"])["Tags"]
        config = (
            _unless_absent(
                lambda: sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
            )
            or {}
        )
        variant = _first(config.get("ProductionVariants"))
        model = (
            _unless_absent(lambda: sagemaker.describe_model(ModelName=variant["ModelName"]))
            if variant
            else None
        )
    container = (model or {}).get("PrimaryContainer") or {}
    counts = _first(endpoint.get("ProductionVariants"))
    return EndpointFacts(
        arn=endpoint["EndpointArn"],
        status=endpoint["EndpointStatus"],
        config=endpoint["EndpointConfigName"],
        failure=endpoint.get("FailureReason") or None,
        instances=counts.get("CurrentInstanceCount", 0),
        wanted=counts.get("DesiredInstanceCount", 0),
        tags={tag["Key"]: tag["Value"] for tag in tags},
        is_async=bool(endpoint.get("AsyncInferenceConfig") or config.get("AsyncInferenceConfig")),
        instance_type=variant.get("InstanceType"),
        model=variant.get("ModelName"),
        image=container.get("Image"),
        pack=_pack_of(container),
        environment=container.get("Environment") or {},
    )


def _first(variants: Sequence[Mapping[str, Any]] | None) -> Mapping[str, Any]:
    """The one variant that our endpoints have."""
    return variants[0] if variants else {}


def _pack_of(container: Mapping[str, Any]) -> str | None:
    source = (container.get("ModelDataSource") or {}).get("S3DataSource") or {}
    return container.get("ModelDataUrl") or source.get("S3Uri")


def _list_names(aws: Clients, name: str, what: str, member: str) -> tuple[str, ...]:
    """The names of our models or endpoint configurations, sorted."""
    with told("sagemaker"):
        pages = (
            aws.client("sagemaker")
            .get_paginator(f"list_{what}")
            .paginate(NameContains=names.common_part(name))
        )
        found = [entry[f"{member}Name"] for page in pages for entry in page[f"{member}s"]]
    return tuple(sorted(each for each in found if names.is_addressed(name, each)))


def _targets(aws: Clients, name: str) -> tuple[Mapping[str, Any], ...]:
    with told("application-autoscaling"):
        answer = aws.client("application-autoscaling").describe_scalable_targets(
            ServiceNamespace=SERVICE, ResourceIds=[names.resource_id(name)], ScalableDimension=DIMENSION
        )
    return tuple(answer["ScalableTargets"])


def _policies(aws: Clients, name: str) -> tuple[Mapping[str, Any], ...]:
    with told("application-autoscaling"):
        answer = aws.client("application-autoscaling").describe_scaling_policies(
            ServiceNamespace=SERVICE, ResourceId=names.resource_id(name), ScalableDimension=DIMENSION
        )
    return tuple(answer["ScalingPolicies"])


def _alarms(aws: Clients, name: str) -> tuple[Mapping[str, Any], ...]:
    with told("cloudwatch"):
        answer = aws.client("cloudwatch").describe_alarms(AlarmNames=[names.step_policy(name)])
    return tuple(answer["MetricAlarms"])


def _read_offer(aws: Clients, instance_type: str) -> Offer | None:
    return read_offer(aws.client("pricing"), instance_type, aws.region)


def _read_quota(aws: Clients, instance_type: str) -> Quota | None:
    return read_quota(aws.client("service-quotas"), instance_type)


def _store(aws: Clients, bucket: str) -> Store:
    return Store(aws.client("s3"), bucket)


def _unless_absent(call: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any] | None:
    try:
        return call()
    except ClientError as error:
        if is_absent(error):
            return None
        raise
