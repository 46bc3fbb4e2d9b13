"""The whole stack on one machine: the template's AWS side, SageMaker hosting, one endpoint that draws."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import boto3

from webui_async.client import Client
from webui_async.contract import manifest
from webui_async.contract.settings import PREFIX
from webui_async.contract.signature import owner_secret
from webui_async.local.cloud import Cloud
from webui_async.local.control_plane import ACCOUNT
from webui_async.local.sagemaker import Hosting
from webui_async.packager.check import check_tree
from webui_async.packager.places import PackPlace
from webui_async.packager.push import push
from webui_async.store import Store

ROOT = Path(__file__).resolve().parents[2]
ENDPOINT = "webui-async"
PACK = "local"
IMAGE = f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/webui-async-inference:local"
#: diffusers_webui, with the stock webui's own flags.
DIFFUSERS_ENGINE = f"{shlex.quote(sys.executable)} -m diffusers_webui --port {{port}} --data-dir {{data_dir}}"


@dataclass(frozen=True)
class Options:
    """What a stack is made of."""

    work_dir: Path  #: logs and the instances' scratch
    models: Path = ROOT / "model_layout"
    form: str = manifest.PREFIX  #: in which the model pack is pushed
    template: Path = ROOT / "template.yaml"
    port: int = 0  #: of the API; 0 takes a free one
    engine_command: str = DIFFUSERS_ENGINE
    instances: int = 1
    parameters: Mapping[str, str] = field(default_factory=dict)  #: of the template
    container: Mapping[str, str] = field(default_factory=dict)  #: the container's settings, by field name
    startup_s: float = 300.0


class Stack:
    """Everything, started. Use it in a `with`: whatever happens, it stops what it started."""

    def __init__(self, options: Options):
        self.options = options

    def __enter__(self) -> Stack:
        check_tree(self.options.models).require_good()
        self.options.work_dir.mkdir(parents=True, exist_ok=True)
        self.cloud = Cloud.start(self.options.work_dir, self.options.port)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        permissions = self.cloud.permissions
        self.hosting = Hosting(self.cloud.plane, self.options.work_dir, permissions.is_allowed)
        self.hosting.start()
        parameters = {"ApiUrl": self.cloud.api_url, "EndpointName": ENDPOINT} | dict(self.options.parameters)
        self.cloud.deploy(self.options.template, parameters, self.hosting.url)
        self.outputs = self.cloud.deployed.outputs
        self.store = Store(self.cloud.client("s3"), self.outputs["BucketName"])
        self.create_endpoint(self.push(self.options.models))

    def stop(self) -> None:
        """End everything; instances first, so that they can give back what they hold."""
        if hasattr(self, "hosting"):
            self.hosting.stop()
        self.cloud.stop()

    def wait_ready(self) -> None:
        """Until an instance takes invocations. Raises EndpointFailed."""
        self.hosting.wait_in_service(ENDPOINT, self.options.startup_s)

    @property
    def api_url(self) -> str:
        return self.cloud.api_url

    def client(self, owner: str | None = None) -> Client:
        """A client with the template's own API key, or with a key of another owner's."""
        key = self.cloud.add_api_key(owner) if owner else self.cloud.api_key
        return Client(self.api_url, key.value)

    def runtime_client(self) -> Any:
        """A boto3 client of SageMaker's runtime, as the administrator."""
        admin = self.cloud.plane.admin
        return boto3.client(
            "sagemaker-runtime",
            region_name=self.cloud.plane.region,
            endpoint_url=self.hosting.url,
            aws_access_key_id=admin.access_key_id,
            aws_secret_access_key=admin.secret_access_key,
        )

    def callback_secret(self) -> str:
        """The callback secret of the template's own API key."""
        secrets = self.cloud.client("secretsmanager")
        answer = secrets.get_secret_value(SecretId=self.outputs["CallbackSecretArn"])
        return owner_secret(json.loads(answer["SecretString"])["current"], self.cloud.api_key.id)

    def push(self, models: Path) -> str:
        """The s3:// uri of the model pack that holds the tree now."""
        return push(models, PackPlace(self.store.bucket, PACK), self.store.s3, form=self.options.form).uri

    def create_endpoint(self, pack_uri: str) -> None:
        """The model, its configuration and the endpoint, as one makes them on AWS. Hosting does the rest.

        pack_uri: what `webui-async models push` says last.
        """
        sagemaker = self.cloud.client("sagemaker")
        sagemaker.create_model(
            ModelName=ENDPOINT,
            ExecutionRoleArn=self.outputs["EndpointRoleArn"],
            PrimaryContainer={
                "Image": IMAGE,
                "Environment": self._container_environment(),
                **_model_data(pack_uri),
            },
        )
        sagemaker.create_endpoint_config(EndpointConfigName=ENDPOINT, **self._endpoint_config())
        sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=ENDPOINT)

    def _container_environment(self) -> dict[str, str]:
        settings = {
            "bucket": self.outputs["BucketName"],
            "endpoint": ENDPOINT,
            "engine_command": self.options.engine_command,
            "webui_dir": str(ROOT / "stable-diffusion-webui"),
        } | dict(self.options.container)
        return {PREFIX + name.upper(): value for name, value in settings.items()}

    def _endpoint_config(self) -> dict[str, Any]:
        bucket = self.outputs["BucketName"]
        topics = {
            "SuccessTopic": self.outputs["SuccessTopicArn"],
            "ErrorTopic": self.outputs["ErrorTopicArn"],
        }
        return {
            "ProductionVariants": [
                {
                    "VariantName": "gpu",
                    "ModelName": ENDPOINT,
                    "InstanceType": "ml.g5.xlarge",
                    "InitialInstanceCount": self.options.instances,
                    "ContainerStartupHealthCheckTimeoutInSeconds": 600,
                }
            ],
            "AsyncInferenceConfig": {
                "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 8},
                "OutputConfig": {
                    "S3OutputPath": f"s3://{bucket}/async-out",
                    "S3FailurePath": f"s3://{bucket}/async-failure",
                    "NotificationConfig": topics,
                },
            },
        }


def _model_data(pack_uri: str) -> dict[str, Any]:
    """Where SageMaker finds the pack: plain files, or one archive."""
    if not pack_uri.endswith("/"):
        return {"ModelDataUrl": pack_uri}
    source = {"S3Uri": pack_uri, "S3DataType": "S3Prefix", "CompressionType": "None"}
    return {"ModelDataSource": {"S3DataSource": source}}
