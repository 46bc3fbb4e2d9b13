"""Least privilege: what each role of template.yaml may do, and with which keys."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.contract.translated import FUNCTIONS, PATH, PSEUDO, kinds_of, of_type
from webui_async.local.template import read_template

LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
CONSUME = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
READ = {"s3:GetObject", "s3:ListBucket"}
INVOKE = {"sagemaker:InvokeEndpointAsync"}
ACTIONS = {
    "SubmitRole": LOGS | READ | INVOKE | {"s3:PutObject", "s3:DeleteObject"},
    "ApiRole": LOGS | READ | {"s3:PutObject", "s3:DeleteObject"},
    "CompleteRole": LOGS | READ | INVOKE | CONSUME
    | {"s3:PutObject", "s3:DeleteObject", "sns:Publish", "sqs:SendMessage"},
    "DeliverRole": LOGS | READ | CONSUME
    | {"s3:PutObject", "sqs:ChangeMessageVisibility", "secretsmanager:GetSecretValue"},
    "ReapRole": LOGS | READ | INVOKE | {"s3:PutObject", "s3:DeleteObject", "sqs:SendMessage"},
    "EndpointRole": LOGS | READ
    | {
        "s3:PutObject", "sns:Publish", "logs:CreateLogGroup", "logs:DescribeLogStreams",
        "cloudwatch:PutMetricData", "ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer",
    },
}  # fmt: skip
#: Keys that each role may write and remove, one of each kind; whatever is not named here is refused.
WRITES = {
    "SubmitRole": {"active", "index", "request", "queued", "idempotency"},
    "ApiRole": {"result", "cancel", "deleted", "upload"},
    "CompleteRole": {"index", "queued", "result"},
    "DeliverRole": {"callback"},
    "ReapRole": {"queued", "result"},
    "EndpointRole": {"progress", "picture", "reply", "result", "released", "catalog", "async-out"},
}
REMOVES = {
    "SubmitRole": {"active", "index", "request", "queued", "idempotency"},
    "ApiRole": {"picture", "reply", "request", "progress", "index", "upload"},
    "CompleteRole": {"active"},
    "DeliverRole": set(),
    "ReapRole": {"active", "index"},
    "EndpointRole": set(),
}


def statements(role: str) -> list[dict[str, Any]]:
    policies = of_type("AWS::IAM::Role")[role]["Policies"]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allowed_keys(role: str, action: str) -> set[str]:
    """The kinds of key that a role may do `action` with."""
    found = [one for one in statements(role) if action in listed(one["Action"])]
    return kinds_of(resource for one in found for resource in listed(one["Resource"]))


def test_each_function_has_a_role_of_its_own() -> None:
    functions = of_type("AWS::Lambda::Function")

    assert set(functions) == {f"{name}Function" for name in FUNCTIONS}
    for name in FUNCTIONS:
        assert functions[f"{name}Function"]["Role"] == {"Fn::GetAtt": [f"{name}Role", "Arn"]}
    assert set(of_type("AWS::IAM::Role")) == set(ACTIONS), "SAM added a role of its own"


@pytest.mark.parametrize("role", ACTIONS)
def test_a_role_may_do_what_it_needs_and_nothing_else(role: str) -> None:
    found = {action for statement in statements(role) for action in listed(statement["Action"])}

    assert found == ACTIONS[role]
    assert "ManagedPolicyArns" not in of_type("AWS::IAM::Role")[role]


@pytest.mark.parametrize("role", ACTIONS)
def test_a_role_reaches_named_resources_only(role: str) -> None:
    for statement in statements(role):
        assert statement["Effect"] == "Allow"
        if "*" in listed(statement["Resource"]):
            # These know no resource.
            assert statement["Action"] in ("ecr:GetAuthorizationToken", "cloudwatch:PutMetricData")


@pytest.mark.parametrize("role", ACTIONS)
def test_a_role_writes_and_removes_its_own_keys_only(role: str) -> None:
    assert allowed_keys(role, "s3:PutObject") == WRITES[role]
    assert allowed_keys(role, "s3:DeleteObject") == REMOVES[role]


@pytest.mark.parametrize("role", ACTIONS)
def test_a_role_lists_under_prefixes_only(role: str) -> None:
    (found,) = (one for one in statements(role) if one["Action"] == "s3:ListBucket")
    prefixes = listed(found["Condition"]["StringLike"]["s3:prefix"])

    assert all(re.fullmatch(r"[a-z]+/\*", prefix) for prefix in prefixes)
    if role == "EndpointRole":
        assert prefixes == ["jobs/*", "models/*", "packs/*"]


def test_the_container_reads_what_it_draws_with_and_may_not_touch_sagemaker() -> None:
    actions = {action for one in statements("EndpointRole") for action in listed(one["Action"])}
    read = allowed_keys("EndpointRole", "s3:GetObject")

    assert not [action for action in actions if "Delete" in action or action.startswith("sagemaker:")]
    assert {"upload", "model", "pack", "request"} <= read and not {"idempotency", "active", "index"} & read


@pytest.mark.parametrize("role", ["SubmitRole", "ApiRole", "CompleteRole", "DeliverRole", "ReapRole"])
def test_functions_read_no_model(role: str) -> None:
    assert not {"model", "pack", "async-out"} & allowed_keys(role, "s3:GetObject")


# What a parameter adds --------------------------------------------------------------------------------------

KEY_ARN = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d"


def added_by(**parameters: str) -> dict[str, Any]:
    """The policies that the template has only with these parameters."""
    resources = read_template(PATH, parameters, PSEUDO).resources.values()
    return {one.name: one.properties for one in resources if one.type == "AWS::IAM::Policy"}


def test_no_parameter_adds_no_policy() -> None:
    assert added_by() == {}


def test_a_key_of_ones_own_is_used_through_s3_and_by_those_who_read_and_write_objects() -> None:
    (policy,) = added_by(KmsKeyArn=KEY_ARN).values()
    (statement,) = policy["PolicyDocument"]["Statement"]

    assert {role["Ref"] for role in policy["Roles"]} == set(ACTIONS)
    assert set(statement["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey"}
    assert statement["Resource"] == {"Ref": "KmsKeyArn"}
    via = statement["Condition"]["StringEquals"]["kms:ViaService"]
    assert via == {"Fn::Sub": "s3.${AWS::Region}.${AWS::URLSuffix}"}


def test_an_endpoint_in_a_network_of_ones_own_makes_network_interfaces_and_nothing_else() -> None:
    (policy,) = added_by(EndpointInVpc="true").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    changes = {action for action in statement["Action"] if not action.startswith("ec2:Describe")}

    assert policy["Roles"] == [{"Ref": "EndpointRole"}]
    assert changes == {
        "ec2:CreateNetworkInterface",
        "ec2:CreateNetworkInterfacePermission",
        "ec2:DeleteNetworkInterface",
        "ec2:DeleteNetworkInterfacePermission",
    }


def test_a_role_has_no_name_of_its_own_so_plain_iam_capability_is_enough() -> None:
    """`webui-async stack deploy` passes CAPABILITY_IAM, which does not do for names that we choose."""
    for kind in ("Role", "ManagedPolicy", "InstanceProfile", "User", "Group"):
        for properties in of_type(f"AWS::IAM::{kind}").values():
            assert not {f"{kind}Name", "ManagedPolicyName"} & set(properties)


def test_the_container_logs_to_its_endpoints_group_only_and_the_group_forgets() -> None:
    (statement,) = (one for one in statements("EndpointRole") if "logs:PutLogEvents" in listed(one["Action"]))
    group = of_type("AWS::Logs::LogGroup")["EndpointLog"]

    assert statement["Resource"] == {"Fn::GetAtt": ["EndpointLog", "Arn"]}
    assert group["LogGroupName"] == {"Fn::Sub": "/aws/sagemaker/Endpoints/${EndpointName}"}
    assert all(
        one["RetentionInDays"] == {"Ref": "LogRetentionDays"}
        for one in of_type("AWS::Logs::LogGroup").values()
    )
