"""The requests that make an endpoint what its spec says, named after their content. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webui_async.contract.settings import PREFIX
from webui_async.deploy import names
from webui_async.deploy.spec import EndpointSpec
from webui_async.deploy.stack import StackOutputs

#: What an instance takes before its container starts; SageMaker's own rest, as a bound.
_PROVISIONING_S = 1800
#: SageMaker's bounds of an update's time. Source: its service model, MaximumExecutionTimeoutInSeconds.
_LEAST_UPDATE_S, _MOST_UPDATE_S = 600, 28_800


@dataclass(frozen=True)
class Wanted:
    """The requests, and the names of what they make."""

    model: dict[str, Any]  #: CreateModel
    config: dict[str, Any]  #: CreateEndpointConfig
    endpoint: dict[str, Any]  #: CreateEndpoint
    update: dict[str, Any]  #: UpdateEndpoint

    @property
    def model_name(self) -> str:
        return str(self.model["ModelName"])

    @property
    def config_name(self) -> str:
        return str(self.config["EndpointConfigName"])


def settle_s(spec: EndpointSpec) -> int:
    """How long a creation or an update may take until it has ended one way or the other."""
    wanted = _PROVISIONING_S + spec.download_timeout_s + spec.startup_timeout_s
    return max(_LEAST_UPDATE_S, min(_MOST_UPDATE_S, wanted))


def wanted_requests(
    spec: EndpointSpec, name: str, outputs: StackOutputs, usd_per_hour: float | None
) -> Wanted:
    """name: the endpoint's. usd_per_hour: what its container takes an instance to cost; None says nothing."""
    tags = names.listed_tags(names.tags_of(name, spec.tags))
    model = _model(spec, name, outputs, usd_per_hour)
    model_name = names.addressed(name, model)
    config = _config(spec, outputs, model_name)
    # The number of instances at the start is no reason for an update: an update keeps what there are.
    config_name = names.addressed(name, config | {"ProductionVariants": [_variant(spec, model_name)]})
    chosen = {"EndpointName": name, "EndpointConfigName": config_name}
    return Wanted(
        {"ModelName": model_name, **model, "Tags": tags},
        {"EndpointConfigName": config_name, **config, "Tags": tags},
        chosen | {"Tags": tags},
        chosen | {"RetainAllVariantProperties": True, "DeploymentConfig": _deployment(spec)},
    )


def _model(spec: EndpointSpec, name: str, outputs: StackOutputs, usd: float | None) -> dict[str, Any]:
    container = {
        "Image": spec.image,
        "Environment": container_environment(spec, name, outputs, usd),
        **_model_data(spec.pack),
    }
    vpc = {"Subnets": list(spec.subnets), "SecurityGroupIds": list(spec.security_groups)}
    return {"ExecutionRoleArn": outputs.role_arn, "PrimaryContainer": container} | (
        {"VpcConfig": vpc} if spec.subnets else {}
    )


def container_environment(
    spec: EndpointSpec, name: str, outputs: StackOutputs, usd_per_hour: float | None
) -> dict[str, str]:
    """Everything that the container is told."""
    settings = {
        "bucket": outputs.bucket,
        "endpoint": name,
        "max_jobs": str(spec.max_jobs),
        "drawing_timeout_s": f"{spec.max_job_s:g}",
        "startup_timeout_s": str(spec.startup_timeout_s),
    } | ({"instance_usd_per_hour": f"{usd_per_hour:.6g}"} if usd_per_hour else {})
    return {PREFIX + field.upper(): value for field, value in settings.items()} | dict(spec.environment)


def _model_data(uri: str) -> dict[str, Any]:
    """Where SageMaker finds the pack: plain files, or one archive."""
    if not uri.endswith("/"):
        return {"ModelDataUrl": uri}
    source = {"S3Uri": uri, "S3DataType": "S3Prefix", "CompressionType": "None"}
    return {"ModelDataSource": {"S3DataSource": source}}


def _config(spec: EndpointSpec, outputs: StackOutputs, model_name: str) -> dict[str, Any]:
    variant = _variant(spec, model_name) | {"InitialInstanceCount": spec.initial_instances}
    key = {"KmsKeyId": spec.kms_key} if spec.kms_key else {}
    topics = {"SuccessTopic": outputs.success_topic, "ErrorTopic": outputs.error_topic}
    output = {
        "S3OutputPath": f"s3://{outputs.bucket}/async-out",
        "S3FailurePath": f"s3://{outputs.bucket}/async-failure",
        "NotificationConfig": topics,
        **key,
    }
    return {
        "ProductionVariants": [variant],
        "AsyncInferenceConfig": {
            "ClientConfig": {"MaxConcurrentInvocationsPerInstance": spec.max_jobs},
            "OutputConfig": output,
        },
        # A disk of the instance's own is encrypted by its hardware, with a key of its own.
        **({} if spec.has_local_storage else key),
    }


def _variant(spec: EndpointSpec, model_name: str) -> dict[str, Any]:
    size = {"VolumeSizeInGB": spec.volume_size_gb} if spec.volume_size_gb is not None else {}
    return {
        "VariantName": names.VARIANT,
        "ModelName": model_name,
        "InstanceType": spec.instance_type,
        "InferenceAmiVersion": spec.ami_version,
        "ModelDataDownloadTimeoutInSeconds": spec.download_timeout_s,
        "ContainerStartupHealthCheckTimeoutInSeconds": spec.startup_timeout_s,
        **size,
    }


def _deployment(spec: EndpointSpec) -> dict[str, Any]:
    """Blue/green, all at once. Where the new containers do not become well, SageMaker goes back by itself."""
    routing: Mapping[str, Any] = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": 0,
            "MaximumExecutionTimeoutInSeconds": settle_s(spec),
        }
    }
