"""An account of moto's with a stack in it: everything that the template and the deployer would have made."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
from moto import mock_aws

from webui_async.deploy.clients import Aws
from webui_async.deploy.inventory import ALARMS, FUNCTIONS, QUEUES, ROLES, TOPICS, Names
from webui_async.deploy.making import Clock

REGION, ACCOUNT = "eu-central-1", "123456789012"
#: What an AWS that has just deleted something may still list.
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
#: Requests that change nothing.
_READING = ("Describe", "List", "Get", "Head")


@functools.cache
def _session() -> boto3.Session:
    """One for all tests: reading botocore's service models is most of what a client costs."""
    return boto3.Session(region_name=REGION)


def bucket_of(stack: str) -> str:
    return f"{stack}-{ACCOUNT}-{REGION}"


class Killed(BaseException):
    """The process is gone: nothing may catch it."""


class Account:
    """The clients of an account, with hands to fill it and to break into what is asked of it."""

    region = REGION

    def __init__(self) -> None:
        self._aws = Aws(_session())
        self.stubs: dict[str, Any] = {}
        self.asked: list[str] = []  #: every request, as `service:Operation`
        self.before: Callable[[str], None] = lambda request: None
        self._watched: set[str] = set()

    def client(self, name: str) -> Any:
        if name in self.stubs:
            return self.stubs[name]
        client = self._aws.client(name)
        if name not in self._watched:
            self._watched.add(name)
            client.meta.events.register("before-call", self._note)
        return client

    def _note(self, model: Any, **_: Any) -> None:
        request = f"{model.service_model.service_name}:{model.name}"
        self.before(request)
        self.asked.append(request)

    def changes(self) -> list[str]:
        """The requests that changed something."""
        return [one for one in self.asked if not one.partition(":")[2].startswith(_READING)]

    @contextlib.contextmanager
    def killed_before_change(self, number: int) -> Iterator[None]:
        """The process dies right before its n-th change."""
        self.asked.clear()

        def count(request: str) -> None:
            is_change = not request.partition(":")[2].startswith(_READING)
            if is_change and len(self.changes()) == number:
                raise Killed

        self.before = count
        try:
            yield
        except Killed:
            pass
        finally:
            self.before = lambda request: None

    # What lies in the account -----------------------------------------------------------------------------

    def record(self, stack: str, endpoint: str, **parameters: str) -> None:
        """CloudFormation's stack, with nothing behind it."""
        bucket = parameters.get("BucketName") or bucket_of(stack)
        outputs = {"BucketName": bucket, "EndpointName": endpoint}
        given = {"EndpointName": endpoint, "ImageRepository": f"{stack}/inference", **parameters}
        document = {
            "Parameters": {name: {"Type": "String"} for name in given},
            "Conditions": {"Never": {"Fn::Equals": ["yes", "no"]}},
            "Resources": {"Nothing": {"Type": "AWS::SNS::Topic", "Condition": "Never"}},
            "Outputs": {name: {"Value": value} for name, value in outputs.items()},
        }
        self.client("cloudformation").create_stack(
            StackName=stack,
            TemplateBody=json.dumps(document),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
        )

    def fill_leftovers(self, known: Names) -> None:
        """What a deleted stack leaves behind: a bucket with things in it, images, logs, alarms, a secret."""
        s3, logs, cloudwatch = self.client("s3"), self.client("logs"), self.client("cloudwatch")
        s3.create_bucket(Bucket=known.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=known.bucket, Key="jobs/1/result.json", Body=b"{}")
        for repository in known.image_repositories:
            self.client("ecr").create_repository(repositoryName=repository)
        for group in known.log_groups:
            logs.create_log_group(logGroupName=group)
        alarms = (
            f"{known.endpoint}-from-zero",
            f"TargetTracking-endpoint/{known.endpoint}/variant/gpu-AlarmHigh-1",
        )
        for name in (*known.all_of(ALARMS), *alarms):
            cloudwatch.put_metric_alarm(
                AlarmName=name,
                Namespace="WebuiAsync",
                MetricName="JobsFailed",
                Statistic="Sum",
                Period=60,
                EvaluationPeriods=1,
                Threshold=1.0,
                ComparisonOperator="GreaterThanOrEqualToThreshold",
            )
        self.client("secretsmanager").create_secret(Name=f"{known.stack}-callbacks", SecretString="{}")

    def fill_resources(self, known: Names) -> None:
        """What CloudFormation removes with its stack."""
        sqs, sns, iam = self.client("sqs"), self.client("sns"), self.client("iam")
        for queue in known.all_of(QUEUES):
            fifo = {"FifoQueue": "true"} if queue.endswith(".fifo") else {}
            sqs.create_queue(QueueName=queue, Attributes=fifo)
        for topic in known.all_of(TOPICS):
            arn = sns.create_topic(Name=topic)["TopicArn"]
            sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{topic}")
        for role in ROLES:
            iam.create_role(RoleName=f"{known.stack}-{role}-1A2B3C4D5E6F", AssumeRolePolicyDocument=TRUST)
        gateway = self.client("apigateway")
        gateway.create_rest_api(name=known.stack)
        gateway.create_api_key(name=f"{known.stack}-first", value=f"{known.stack:-<20}")
        gateway.create_usage_plan(name=known.stack)
        rule = f"{known.stack}-ReapFunctionSchedule-1A2B3C4D5E6F"
        self.client("events").put_rule(Name=rule, ScheduleExpression="rate(5 minutes)")

    def fill_endpoint(self, endpoint: str) -> None:
        """An endpoint with its configuration, model and scalable target."""
        sagemaker = self.client("sagemaker")
        name = f"{endpoint}-0123456789ab"
        role = f"arn:aws:iam::{ACCOUNT}:role/endpoint"
        sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": "image"})
        variant = {"VariantName": "gpu", "ModelName": name, "InstanceType": "ml.g4dn.xlarge"}
        sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
        )
        sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=name)
        self.client("application-autoscaling").register_scalable_target(
            ServiceNamespace="sagemaker",
            ResourceId=f"endpoint/{endpoint}/variant/gpu",
            ScalableDimension="sagemaker:variant:DesiredInstanceCount",
            MinCapacity=0,
            MaxCapacity=1,
        )

    def fill_functions(self, known: Names) -> None:
        """The five functions, of which moto wants a role and a zip."""
        functions, zip_file = self.client("lambda"), empty_zip()
        for function in FUNCTIONS:
            functions.create_function(
                FunctionName=f"{known.stack}-{function}",
                Role=f"arn:aws:iam::{ACCOUNT}:role/{known.stack}-SubmitRole-1A2B3C4D5E6F",
                Code={"ZipFile": zip_file},
                Handler="a.b",
                Runtime="python3.12",
            )


def empty_zip() -> bytes:
    return b"PK\x05\x06" + b"\x00" * 18


@contextlib.contextmanager
def open_account() -> Iterator[Account]:
    with mock_aws():
        yield Account()


class FakeClock(Clock):
    """Time that passes when it is slept through, and what happens meanwhile."""

    def __init__(self, meanwhile: Callable[[float], None] = lambda now: None):
        self.at = 0.0

        def sleep(seconds: float) -> None:
            self.at += seconds
            meanwhile(self.at)

        super().__init__(now=lambda: self.at, sleep=sleep)
