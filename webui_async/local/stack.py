"""The whole stack on one machine: the template's AWS side, SageMaker hosting, one endpoint that draws."""

from __future__ import annotations

import json
import logging
import os
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
from webui_async.deploy.endpoint import apply_plan, plan_endpoint
from webui_async.deploy.spec import EndpointSpec
from webui_async.local.cloud import STACK, Cloud
from webui_async.local.sagemaker import Hosting
from webui_async.packager.check import check_tree
from webui_async.packager.places import PackPlace
from webui_async.packager.push import push
from webui_async.store import Store

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
ENDPOINT = "webui-async"
PACK = "local"
IMAGE_TAG = "local"
_IMAGE_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
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
    scaling_speed: float = 1.0  #: how many times faster than on AWS the minutes of scaling pass
    has_endpoint: bool = True  #: False leaves it to whoever plans and applies one
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
        self.hosting = Hosting(
            self.cloud.plane,
            self.options.work_dir,
            permissions.is_allowed,
            environment=self._image_environment(),
            scaling_speed=self.options.scaling_speed,
        )
        self.hosting.start()
        parameters = {"ApiUrl": self.cloud.api_url, "EndpointName": ENDPOINT} | dict(self.options.parameters)
        self.cloud.deploy(self.options.template, parameters, self.hosting.url)
        self.outputs = self.cloud.deployed.outputs
        self.store = Store(self.cloud.client("s3"), self.outputs["BucketName"])
        self.image = self._push_image()
        if self.options.has_endpoint:
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
        """The endpoint, as `webui-async endpoint apply` makes it. Hosting does the rest: see wait_ready.

        pack_uri: what `webui-async models push` says last.
        """
        count = self.options.instances
        spec = EndpointSpec(
            stack=STACK,
            image=self.image,
            pack=pack_uri,
            min_instances=count,
            max_instances=count,
            initial_instances=count,
            environment={PREFIX + name.upper(): value for name, value in self.options.container.items()},
        )
        plane = self.cloud.plane
        apply_plan(plan_endpoint(spec, plane), plane, logger.info, wait=False)

    def _image_environment(self) -> dict[str, str]:
        """What the container's image sets: here, the engine that stands in the webui's place."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            PREFIX + "ENGINE_COMMAND": self.options.engine_command,
            PREFIX + "WEBUI_DIR": str(ROOT / "stable-diffusion-webui"),
        }

    def _push_image(self) -> str:
        """The uri of an image in ECR, which stands for this machine's Python: nobody pulls it."""
        ecr, repository = self.cloud.client("ecr"), self.cloud.deployed.parameters["ImageRepository"]
        uri = ecr.create_repository(repositoryName=repository)["repository"]["repositoryUri"]
        manifest = json.dumps({"schemaVersion": 2, "mediaType": _IMAGE_MANIFEST, "layers": []})
        ecr.put_image(repositoryName=repository, imageManifest=manifest, imageTag=IMAGE_TAG)
        return f"{uri}:{IMAGE_TAG}"
