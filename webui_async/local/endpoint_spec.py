"""What the control plane says about one endpoint, in one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from webui_async.local.errors import EndpointFailed
from webui_async.local.model_data import ModelData

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

#: SageMaker chooses by itself when the configuration does not say; this is our choice.
DEFAULT_CONCURRENT = 4
DEFAULT_STARTUP_S = 480
#: S3DataType and CompressionType of plain files, and of a tar.gz. Source: SageMaker's API, S3ModelDataSource.
_FILES, _ARCHIVE = ("S3Prefix", "None"), ("S3Object", "Gzip")


@dataclass(frozen=True)
class Wanted:
    """One endpoint as the control plane wants it now."""

    arn: str
    created_at: datetime
    status: str  #: EndpointStatus
    config: str  #: the endpoint configuration to run by; the new one while an update is under way
    capacity: int  #: how many instances by it


@dataclass(frozen=True)
class EndpointSpec:
    """One asynchronous endpoint with one variant, by one endpoint configuration."""

    name: str
    arn: str
    config: str  #: the endpoint configuration's name
    variant: str
    role_arn: str
    environment: Mapping[str, str]  #: the Model's own
    model_data: ModelData | None
    output_uri: str  #: S3OutputPath, no slash at its end
    failure_uri: str | None  #: S3FailurePath, no slash at its end
    success_topic: str | None
    error_topic: str | None
    max_concurrent: int  #: invocations that one instance holds at a time
    startup_s: float  #: how long an instance may take until its first good /ping

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]


def read_wanted(sagemaker: SageMakerClient, name: str) -> Wanted:
    """What the control plane wants of the endpoint. Raises botocore's errors."""
    endpoint: Mapping[str, Any] = sagemaker.describe_endpoint(EndpointName=name)
    pending = endpoint.get("PendingDeploymentSummary") or {}
    variants = pending.get("ProductionVariants") or endpoint.get("ProductionVariants") or [{}]
    return Wanted(
        arn=endpoint["EndpointArn"],
        created_at=endpoint["CreationTime"],
        status=endpoint["EndpointStatus"],
        config=pending.get("EndpointConfigName") or endpoint["EndpointConfigName"],
        capacity=variants[0].get("DesiredInstanceCount", 0),
    )


def read_spec(sagemaker: SageMakerClient, name: str, arn: str, config_name: str) -> EndpointSpec:
    """The endpoint as that endpoint configuration, and the model that it names, describe it.

    Raises EndpointFailed for one that is not asynchronous, or whose parts are missing or not to be had.
    """
    try:
        config = sagemaker.describe_endpoint_config(EndpointConfigName=config_name)
        variant = config["ProductionVariants"][0]
        model = sagemaker.describe_model(ModelName=variant["ModelName"])
    except (ClientError, BotoCoreError) as error:
        raise EndpointFailed(f"endpoint {name!r} cannot be read from the control plane: {error}") from error
    asynchronous = config.get("AsyncInferenceConfig")
    if not asynchronous or not asynchronous["OutputConfig"].get("S3OutputPath"):
        raise EndpointFailed(f"endpoint {name!r} has no AsyncInferenceConfig with an S3OutputPath")
    output = asynchronous["OutputConfig"]
    topics = output.get("NotificationConfig", {})
    container = model.get("PrimaryContainer") or model["Containers"][0]
    return EndpointSpec(
        name=name,
        arn=arn,
        config=config_name,
        variant=variant["VariantName"],
        role_arn=model["ExecutionRoleArn"],
        environment=container.get("Environment", {}),
        model_data=_model_data(name, container),
        output_uri=output["S3OutputPath"].rstrip("/"),
        failure_uri=output.get("S3FailurePath", "").rstrip("/") or None,
        success_topic=topics.get("SuccessTopic"),
        error_topic=topics.get("ErrorTopic"),
        max_concurrent=asynchronous.get("ClientConfig", {}).get(
            "MaxConcurrentInvocationsPerInstance", DEFAULT_CONCURRENT
        ),
        startup_s=variant.get("ContainerStartupHealthCheckTimeoutInSeconds", DEFAULT_STARTUP_S),
    )


def _model_data(name: str, container: Mapping[str, Any]) -> ModelData | None:
    """Raises EndpointFailed for a source that SageMaker would not take."""
    if url := container.get("ModelDataUrl"):
        return ModelData(*split_uri(url), is_archive=True)
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if not source:
        return None
    uri, kind = source["S3Uri"], (source.get("S3DataType"), source.get("CompressionType"))
    if (kind, uri.endswith("/")) not in ((_FILES, True), (_ARCHIVE, False)):
        raise EndpointFailed(
            f"endpoint {name!r} has its model data at {uri} as {' and '.join(map(str, kind))}; it must be "
            f"{' and '.join(_FILES)} with a slash at the end, or {' and '.join(_ARCHIVE)} without"
        )
    return ModelData(*split_uri(uri), is_archive=kind == _ARCHIVE)


def split_uri(uri: str) -> tuple[str, str]:
    """(bucket, key) of `s3://bucket/key`."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
