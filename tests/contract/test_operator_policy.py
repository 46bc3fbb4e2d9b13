"""The policy in docs/security.md allows what `webui-async endpoint` asks of AWS, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit.deploy.conftest import house  # noqa: F401
from tests.unit.deploy.house import REPOSITORY, STACK, House
from tests.unit.deploy.made import OUTPUTS
from webui_async.deploy.delete import delete
from webui_async.deploy.described import describe, describe_held
from webui_async.deploy.logs import last_lines, read_lines
from webui_async.deploy.making import Maker
from webui_async.deploy.scale import scale_calls
from webui_async.deploy.status import read_status
from webui_async.local.policy import Call, Verdict, judge

REGION, ACCOUNT = "eu-central-1", "123456789012"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "security.md"
YOURS = {
    "REGION": REGION,
    "ACCOUNT": ACCOUNT,
    "STACK": STACK,
    "ENDPOINT": OUTPUTS.endpoint,
    "BUCKET": OUTPUTS.bucket,
    "REPOSITORY": REPOSITORY,
}
#: Client -> what policies call the service, where it differs. Operation -> action, likewise.
PREFIXES = {"service-quotas": "servicequotas"}
ACTIONS = {"HeadObject": "GetObject", "ListObjectsV2": "ListBucket"}
#: What AWS asks of the caller beside the operation's own action. Source: Service Authorization Reference.
NEVER_ASKED_HERE = {
    "iam:CreateServiceLinkedRole",  # by Application Auto Scaling, once in an account
    "servicequotas:ListServiceQuotas",  # for a type whose code is not known
    "servicequotas:GetServiceQuota",  # moto has neither these
    "pricing:GetProducts",
    "application-autoscaling:DescribeScalingActivities",
}
SAGEMAKER = {
    "EndpointName": "endpoint/{}",
    "EndpointConfigName": "endpoint-config/{}",
    "ModelName": "model/{}",
}


def policy() -> dict[str, Any]:
    """The document, with everything of ours in its place."""
    section = PAGE.read_text().partition("## What the operator may do")[2].partition("\n## ")[0]
    (text,) = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
    names = re.compile("|".join(rf"(?<![A-Za-z]){name}(?![A-Za-z])" for name in YOURS))
    found: dict[str, Any] = json.loads(names.sub(lambda match: YOURS[match[0]], text))
    return found


def resources(service: str, operation: str, said: Mapping[str, Any]) -> list[str]:
    """The ARNs that the operation is about; * for one that knows none."""
    arn = f"arn:aws:{service}:{REGION}:{ACCOUNT}:"
    if operation.startswith(("List", "GetMetric")) and service != "s3" and operation != "ListTags":
        return ["*"]
    if service == "sagemaker":
        named = [arn + shape.format(said[name]) for name, shape in SAGEMAKER.items() if name in said]
        return named or [said["ResourceArn"]]
    if service == "s3":
        key = f"/{said['Key']}" if "Key" in said else ""
        return [f"arn:aws:s3:::{said['Bucket']}{key}"]
    if service == "cloudformation":
        return [f"{arn}stack/{said['StackName']}/0123"]
    if service == "ecr":
        return [f"{arn}repository/{said['repositoryName']}"]
    if service == "logs":
        stream = f"log-stream:{said['logStreamName']}" if "logStreamName" in said else "*"
        return [f"{arn}log-group:{said['logGroupName']}:{stream}"]
    if operation.startswith("Describe"):
        return ["*"]
    if service == "cloudwatch":
        return [f"{arn}alarm:{name}" for name in said.get("AlarmNames", [said.get("AlarmName")])]
    return [f"{arn}scalable-target/0123"]


def calls_of(service: str, operation: str, said: Mapping[str, Any]) -> Iterator[Call]:
    """What the caller must be allowed for one request."""
    prefix, places = PREFIXES.get(service, service), resources(service, operation, said)
    context = {"s3:prefix": said.get("Prefix", "")} if operation == "ListObjectsV2" else {}
    for place in places:
        yield Call(f"{prefix}:{ACTIONS.get(operation, operation)}", place, context)
    if operation == "CreateModel":
        passed = {"iam:PassedToService": "sagemaker.amazonaws.com"}
        yield Call("iam:PassRole", said["ExecutionRoleArn"], passed)
    if "Tags" in said and operation != "AddTags":
        tagging = "AddTags" if service == "sagemaker" else "TagResource"
        yield Call(f"{prefix}:{tagging}", places[0])


@pytest.fixture
def asked(house: House) -> list[Call]:  # noqa: F811
    """Everything that a whole life of an endpoint asks for."""
    seen: list[Call] = []

    def note(params: Mapping[str, Any], model: Any, **_: Any) -> None:
        service = model.service_model.service_name
        seen.extend(calls_of(service, model.name, params))

    house.put_log("drawing")
    names = "cloudformation ecr s3 sagemaker application-autoscaling cloudwatch logs".split()
    for name in names:
        house.client(name).meta.events.register("provide-client-params", note)
    house.apply(house.spec(max_instances=3, tags={"team": "art"}))
    house.apply(house.spec(max_instances=3, instance_type="ml.g5.2xlarge", tags={"team": "ink"}))
    other = house.put_pack(name="other")
    house.apply(house.spec(min_instances=1, max_instances=3, instance_type="ml.g5.2xlarge", pack=other))
    describe(house, house.spec(pack=f"s3://{OUTPUTS.bucket}/packs/none/1/"))
    held = describe_held(house, house.name)
    for call in scale_calls(held, now=2):
        Maker(house, house.clock).make(call)
    describe_held(house, house.name)
    read_status_without_activities(house)
    list(read_lines(house, house.name, 0.0))
    last_lines(house, house.name, 0.0)
    delete(house, house.name, OUTPUTS.bucket, house.said.append, logs=True, clock=house.clock)
    delete(house, house.name, None, house.said.append, logs=True, clock=house.clock)
    return [call for call in seen if call.action != "s3:PutObject"]  # the pack that the test itself puts


def read_status_without_activities(house: House) -> None:  # noqa: F811
    """moto has no scaling activities."""
    client = house.client("application-autoscaling")

    class Quiet:
        def __getattr__(self, name: str) -> Any:
            return getattr(client, name)

        def describe_scaling_activities(self, **_: Any) -> dict[str, Any]:
            return {"ScalingActivities": []}

    house.stubs["application-autoscaling"] = Quiet()
    read_status(house, house.name, house.now_s)
    del house.stubs["application-autoscaling"]


def test_the_operator_may_do_everything_that_the_commands_ask(asked: list[Call]) -> None:
    document = policy()
    refused = {
        (call.action, call.resource) for call in asked if judge([document], call) is not Verdict.ALLOWED
    }
    assert len(asked) > 50 and refused == set()


def test_the_operator_may_do_nothing_that_the_commands_never_ask(asked: list[Call]) -> None:
    allowed = {
        action
        for statement in policy()["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert allowed - {call.action for call in asked} == NEVER_ASKED_HERE


def test_no_statement_that_changes_something_is_for_every_resource() -> None:
    for statement in policy()["Statement"]:
        actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        if statement["Resource"] == "*":
            assert all(re.match(r"\w[\w-]*:(Describe|Get|List)", action) for action in actions)


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("sagemaker:DeleteEndpoint", f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/other"),
        ("sagemaker:DeleteModel", f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model/other-0123456789ab"),
        ("iam:PassRole", "arn:aws:iam::123456789012:role/admin"),
        ("s3:DeleteObject", "arn:aws:s3:::art/jobs/1/result.json"),
        ("s3:PutObject", "arn:aws:s3:::art/packs/ink/1/manifest.json"),
        ("s3:GetObject", "arn:aws:s3:::art/jobs/1/result.json"),
        ("logs:DeleteLogGroup", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/house-submit:*"),
        ("cloudwatch:DeleteAlarms", f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:house-jobs-failed"),
    ],
)
def test_what_is_not_the_endpoints_is_out_of_reach(action: str, resource: str) -> None:
    call = Call(action, resource, {"iam:PassedToService": "sagemaker.amazonaws.com"})
    assert judge([policy()], call) is not Verdict.ALLOWED
