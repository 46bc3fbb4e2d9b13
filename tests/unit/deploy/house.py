"""A stack with an image and a model pack on moto, a clock that waits for nobody, and a hosting by hand."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.deploy.account import ACCOUNT, REGION, Account, Killed
from tests.unit.deploy.made import DOCKER, OUTPUTS, pack_manifest
from tests.unit.deploy.products import product
from webui_async.contract import manifest
from webui_async.deploy import names
from webui_async.deploy.endpoint import apply_plan, plan_endpoint, wait_until_calm
from webui_async.deploy.making import Clock
from webui_async.deploy.plan import Plan
from webui_async.deploy.spec import EndpointSpec
from webui_async.deploy.stack import _OUTPUTS
from webui_async.local.moto_endpoints import Report
from webui_async.local.moto_sagemaker import SageMaker

STACK, REPOSITORY, TAG = "house", "webui-async-inference", "0.1.0-3f2a91c04d7e"


class Shop:
    """Price List and Service Quotas, which moto does not have. It knows every type; None refuses to tell."""

    def __init__(self) -> None:
        self.usd_per_hour: float | None = 1.5
        self.quota: float | None = 4

    def get_products(self, Filters: list[dict[str, str]], **_: Any) -> dict[str, Any]:
        if self.usd_per_hour is None:
            raise self._refusal("GetProducts")
        (kind,) = (each["Value"] for each in Filters if each["Field"] == "instanceName")
        return {"PriceList": [json.dumps(product(f"EUC1-AsyncInf:{kind}", self.usd_per_hour))]}

    def get_service_quota(self, **_: Any) -> dict[str, Any]:
        if self.quota is None:
            raise self._refusal("GetServiceQuota")
        return {
            "Quota": {"QuotaName": "ml.g5.xlarge for endpoint usage", "Value": self.quota, "QuotaCode": "L-1"}
        }

    def list_service_quotas(self, **_: Any) -> dict[str, Any]:
        return {"Quotas": []}

    def _refusal(self, operation: str) -> ClientError:
        return ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, operation)


class House(Account):
    """Everything that an endpoint needs, and no endpoint."""

    def __init__(self, patch: pytest.MonkeyPatch):
        super().__init__()
        self.sagemaker = SageMaker()
        self.sagemaker.install(functools.partial(patch.setattr, raising=False))
        self.shop = Shop()
        self.stubs |= {"pricing": self.shop, "service-quotas": self.shop}
        self.name = OUTPUTS.endpoint
        self.said: list[str] = []
        self.now_s = time.time()
        self.while_waiting: Callable[[], None] = lambda: None
        self.clock = Clock(lambda: self.now_s, self._sleep)
        self.client("s3").create_bucket(
            Bucket=OUTPUTS.bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        self.pack = self.put_pack()
        self.image = self.put_image(TAG)
        self.put_stack(STACK)
        self.asked.clear()

    def _sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.while_waiting()

    # What the house is made of ----------------------------------------------------------------------------

    def put_stack(self, stack: str, without: str = "") -> None:
        outputs = {output: getattr(OUTPUTS, field) for field, output in _OUTPUTS.items() if output != without}
        document = {
            "Parameters": {"ImageRepository": {"Type": "String"}},
            "Conditions": {"Never": {"Fn::Equals": ["yes", "no"]}},
            "Resources": {"Nothing": {"Type": "AWS::SNS::Topic", "Condition": "Never"}},
            "Outputs": {name: {"Value": value} for name, value in outputs.items()},
        }
        self.client("cloudformation").create_stack(
            StackName=stack,
            TemplateBody=json.dumps(document),
            Parameters=[{"ParameterKey": "ImageRepository", "ParameterValue": REPOSITORY}],
        )

    def put_pack(
        self, form: str = manifest.PREFIX, kind: str | None = "checkpoint", name: str = "ink"
    ) -> str:
        """The uri of a pack that holds one file."""
        pack = pack_manifest(form, kind)
        last = f"{pack.version}-{form}" if form == manifest.ARCHIVE else pack.version
        prefix = f"packs/{name}/{last}/"
        self.put(prefix + manifest.NAME, pack.to_bytes())
        if form == manifest.ARCHIVE:
            self.put(f"{prefix}model.tar.gz", b"weights")
        return f"s3://{OUTPUTS.bucket}/{prefix}" + ("model.tar.gz" if form == manifest.ARCHIVE else "")

    def put(self, key: str, data: bytes) -> None:
        self.client("s3").put_object(Bucket=OUTPUTS.bucket, Key=key, Body=data)

    def put_image(self, tag: str) -> str:
        ecr = self.client("ecr")
        if not any(
            each["repositoryName"] == REPOSITORY for each in ecr.describe_repositories()["repositories"]
        ):
            ecr.create_repository(repositoryName=REPOSITORY)
        document = {
            "schemaVersion": 2,
            "mediaType": DOCKER,
            "layers": [],
            "config": {"digest": f"sha256:{tag}"},
        }
        ecr.put_image(repositoryName=REPOSITORY, imageManifest=json.dumps(document), imageTag=tag)
        return f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{REPOSITORY}:{tag}"

    def put_log(self, text: str, stream: str = "gpu/i-1", at_s: float | None = None) -> None:
        logs, group = self.client("logs"), names.log_group(self.name)
        if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            logs.create_log_group(logGroupName=group)
        if not logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=stream)["logStreams"]:
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
        event = {"timestamp": int((self.now_s if at_s is None else at_s) * 1000), "message": text}
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])

    # What one does in it ----------------------------------------------------------------------------------

    def spec(self, **fields: Any) -> EndpointSpec:
        return EndpointSpec(**({"stack": STACK, "image": self.image, "pack": self.pack} | fields))

    def plan(self, spec: EndpointSpec) -> Plan:
        return plan_endpoint(spec, self)

    def apply(self, spec: EndpointSpec, wait: bool = True) -> bool:
        """As the command does."""
        if wait:
            wait_until_calm(spec, self, self.said.append, self.clock)
        plan = self.plan(spec)
        return apply_plan(plan, self, self.said.append, wait=wait, clock=self.clock)

    # A hosting by hand ------------------------------------------------------------------------------------

    def host(self) -> None:
        """From now on nothing comes into service but what `report` says, `bring_up` after each look."""
        self.sagemaker.set_hosted(True)
        self.while_waiting = self.bring_up

    def bring_up(self) -> None:
        """The hosting has done what is wanted."""
        for config, count in self._pending():
            self.report(config, count)

    def break_up(self, reason: str) -> None:
        """The hosting cannot bring up what is wanted; what was there before goes on."""
        for config, _ in self._pending():
            before = (
                None
                if self.described["EndpointStatus"] == "Creating"
                else self.described["EndpointConfigName"]
            )
            self.report(before, 0, failed_config=config, reason=reason)

    def report(self, config: str | None, instances: int, **failure: str) -> None:
        report = Report(self.described["CreationTime"].timestamp(), config, instances, **failure)
        self.sagemaker.report(REGION, self.name, report)

    def _pending(self) -> list[tuple[str, int]]:
        if not self.has_endpoint:
            return []
        described = self.described
        summary = described.get("PendingDeploymentSummary")
        if summary:
            return [(summary["EndpointConfigName"], summary["ProductionVariants"][0]["DesiredInstanceCount"])]
        return [(described["EndpointConfigName"], described["ProductionVariants"][0]["DesiredInstanceCount"])]

    @property
    def has_endpoint(self) -> bool:
        return bool(self.client("sagemaker").list_endpoints()["Endpoints"])

    @property
    def described(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.client("sagemaker").describe_endpoint(EndpointName=self.name)
        return answer

    def listing(self) -> dict[str, list[str]]:
        """Everything of the endpoint's that the account lists."""
        sagemaker, scaling = self.client("sagemaker"), self.client("application-autoscaling")
        return {
            "endpoints": [each["EndpointName"] for each in sagemaker.list_endpoints()["Endpoints"]],
            "configs": [
                each["EndpointConfigName"] for each in sagemaker.list_endpoint_configs()["EndpointConfigs"]
            ],
            "models": [each["ModelName"] for each in sagemaker.list_models()["Models"]],
            "targets": [
                each["ResourceId"]
                for each in scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
            ],
            "policies": [
                each["PolicyName"]
                for each in scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
            ],
            "alarms": [
                each["AlarmName"] for each in self.client("cloudwatch").describe_alarms()["MetricAlarms"]
            ],
        }


__all__ = ["STACK", "House", "Killed"]
