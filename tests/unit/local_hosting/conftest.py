"""A control plane, a hosting on it, and endpoints whose containers are fake_serve.py."""

from __future__ import annotations

import functools
import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from webui_async.contract.scaling import Scaling
from webui_async.deploy.scaling_calls import scaling_requests
from webui_async.local.control_plane import Credentials
from webui_async.local.instance import InstanceView, Timing
from webui_async.local.moto_routes import Routes
from webui_async.local.moto_sagemaker import SageMaker
from webui_async.local.sagemaker import Hosting

REGION = "eu-central-1"
ROLE = "arn:aws:iam::123456789012:role/painter"
QUICK = Timing(first_ping_s=0.02, ping_s=0.05, ping_timeout_s=1.0, max_failed_pings=2, stop_s=5.0)
FAKE_SERVE = (sys.executable, "-I", str(Path(__file__).parent / "fake_serve.py"))


class MotoAccount:
    """A moto server in a thread: no policies, every role may be taken on."""

    region = REGION

    def __init__(self, endpoint_url: str):
        self.endpoint_url = endpoint_url
        self.session = boto3.Session(region_name=REGION)
        self._clients: dict[tuple[str, Credentials | None], Any] = {}

    def client(self, name: str, credentials: Credentials | None = None) -> Any:
        if (name, credentials) not in self._clients:  # making one takes long
            self._clients[name, credentials] = self._make_client(name, credentials)
        return self._clients[name, credentials]

    def _make_client(self, name: str, credentials: Credentials | None) -> Any:
        keys = credentials or Credentials("admin", "admin")
        return self.session.client(
            name,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
            aws_session_token=keys.session_token,
        )

    def tell(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        body = json.dumps(document).encode()
        with urlopen(Request(f"{self.endpoint_url}/_local/{path}", body, method="PUT")) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return found

    def assume(self, role_arn: str, service: str = "") -> Credentials:
        keys = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="hosting")["Credentials"]
        return Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])


class Clock:
    """The time of day, and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


class World:
    """What a test does from outside, and what it sees there."""

    def __init__(self, account: MotoAccount, work_dir: Path):
        self.account, self.work_dir = account, work_dir
        self.clock = Clock()
        self.hosting: Hosting
        self.sagemaker, self.s3 = account.client("sagemaker"), account.client("s3")
        self.sqs, self.sns = account.client("sqs"), account.client("sns")
        self.s3.create_bucket(Bucket="art", CreateBucketConfiguration={"LocationConstraint": REGION})
        self.topic = self.sns.create_topic(Name="errors")["TopicArn"]
        self.queue_url = self.sqs.create_queue(QueueName="events")["QueueUrl"]
        queue_arn = "arn:aws:sqs:eu-central-1:123456789012:events"
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=queue_arn)

    def host(self, timing: Timing = QUICK, poll_s: float = 0.05, **settings: Any) -> Hosting:
        self.hosting = Hosting(
            self.account,
            self.work_dir,
            command=FAKE_SERVE,
            timing=timing,
            poll_s=poll_s,
            now=self.clock,
            **settings,
        )
        self.hosting.start()
        self.runtime = self.account.session.client(
            "sagemaker-runtime",
            endpoint_url=self.hosting.url,
            aws_access_key_id="caller",
            aws_secret_access_key="x",
        )
        return self.hosting

    def create_endpoint(
        self,
        name: str = "sd",
        **config: Any,
    ) -> None:
        """Exactly what a deployer calls."""
        self.make_config(name, **config)
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)

    def make_config(
        self,
        name: str,
        count: int = 1,
        concurrent: int = 8,
        environment: dict[str, str] | None = None,
        output_path: str = "s3://art/async-out/",
        **container: Any,
    ) -> None:
        """An endpoint configuration, and a model of the same name."""
        self.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={
                "Image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/webui:1",
                "Environment": environment or {},
                **container,
            },
        )
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": "all",
                    "ModelName": name,
                    "InstanceType": "ml.g4dn.xlarge",
                    "InitialInstanceCount": count,
                }
            ],
            AsyncInferenceConfig={
                "ClientConfig": {"MaxConcurrentInvocationsPerInstance": concurrent},
                "OutputConfig": {
                    "S3OutputPath": output_path,
                    "S3FailurePath": "s3://art/async-failure/",
                    "NotificationConfig": {"ErrorTopic": self.topic, "SuccessTopic": self.topic},
                },
            },
        )

    def update_endpoint(self, config: str, name: str = "sd") -> None:
        """Another configuration, and as many instances as now."""
        self.sagemaker.update_endpoint(
            EndpointName=name, EndpointConfigName=config, RetainAllVariantProperties=True
        )

    def register(self, scaling: Scaling, name: str = "sd") -> None:
        """Have the endpoint scaled, as a deployer does."""
        autoscaling, cloudwatch = (
            self.account.client("application-autoscaling"),
            self.account.client("cloudwatch"),
        )
        requests = scaling_requests(scaling, name, "all")
        autoscaling.register_scalable_target(**requests.target)
        for policy in requests.policies:
            arn = autoscaling.put_scaling_policy(**policy)["PolicyARN"]
            for alarm in requests.alarms_of(policy["PolicyName"], arn):
                cloudwatch.put_metric_alarm(**alarm)

    def described(self, name: str = "sd") -> dict[str, Any]:
        """The endpoint as the control plane describes it."""
        found: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
        return found

    def wait_for(self, status: str, name: str = "sd", timeout_s: float = 10.0) -> dict[str, Any]:
        """The endpoint's description once it has that status."""
        wait_until(lambda: self.described(name)["EndpointStatus"] == status, timeout_s)
        return self.described(name)

    def set_capacity(self, count: int) -> None:
        """Have as many instances, and wait for that."""
        self.hosting.set_capacity("sd", count)
        self.wait_for("InService")

    def invoke(self, order: dict[str, Any], name: str = "sd", **parameters: Any) -> dict[str, Any]:
        """InvokeEndpointAsync with `order` as the object it points to."""
        key = f"jobs/{time.monotonic_ns()}/request.json"
        self.s3.put_object(Bucket="art", Key=key, Body=json.dumps(order).encode())
        answer: dict[str, Any] = self.runtime.invoke_endpoint_async(
            EndpointName=name,
            InputLocation=f"s3://art/{key}",
            ContentType="application/json",
            **parameters,
        )
        return answer

    def messages(self, count: int) -> list[dict[str, Any]]:
        """The next `count` notifications, in the order in which they came."""
        found: list[dict[str, Any]] = []

        def have_enough() -> bool:
            answer = self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10)
            found.extend(json.loads(json.loads(m["Body"])["Message"]) for m in answer.get("Messages", ()))
            return len(found) >= count

        wait_until(have_enough)
        return found

    def read(self, uri: str) -> bytes:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        body: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def draw(self, order: dict[str, Any], **parameters: Any) -> dict[str, Any]:
        """What the container saw of one invocation that succeeds."""
        location = self.invoke(order, **parameters)["OutputLocation"]
        message = self.messages(1)[0]
        assert message["invocationStatus"] == "Completed", message
        seen: dict[str, Any] = json.loads(self.read(location))
        return seen

    def instance(self, name: str = "sd") -> InstanceView:
        (view,) = self.hosting.instances(name)
        return view


def wait_until(holds: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold in time"
        time.sleep(0.02)


@pytest.fixture
def until() -> Callable[..., None]:
    return wait_until


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with pytest.MonkeyPatch.context() as patch:
        sagemaker = SageMaker()
        sagemaker.install(functools.partial(patch.setattr, raising=False))
        moto = DomainDispatcherApplication(create_backend_app)
        application = Routes(moto, sagemaker, REGION, admin_key=None)
        server = make_server("127.0.0.1", 0, application, True, request_handler=MotoRequestHandler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.port}"
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def shared_account(moto_url: str) -> MotoAccount:
    return MotoAccount(moto_url)


@pytest.fixture
def account(shared_account: MotoAccount) -> MotoAccount:
    with urlopen(Request(f"{shared_account.endpoint_url}/moto-api/reset", method="POST")):
        return shared_account


@pytest.fixture
def world(account: MotoAccount, tmp_path: Path) -> Iterator[World]:
    world = World(account, tmp_path)
    yield world
    if hasattr(world, "hosting"):
        world.hosting.stop()
