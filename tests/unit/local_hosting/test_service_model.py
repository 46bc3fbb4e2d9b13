"""Requests held against botocore's service model."""

from __future__ import annotations

import functools
import string
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import ParamValidationError

from webui_async.local.service_model import register, violations


@functools.cache
def shape(service: str, operation: str) -> Any:
    model = botocore.session.get_session().get_service_model(service)
    return model.operation_model(operation).input_shape


def test_a_request_that_aws_takes_has_no_violation() -> None:
    request = {
        "EndpointConfigName": "sd",
        "ProductionVariants": [
            {
                "VariantName": "all",
                "ModelName": "sd",
                "InstanceType": "ml.g5.xlarge",
                "InitialInstanceCount": 1,
            }
        ],
        "AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://art/out"}},
        "Tags": [{"Key": "team", "Value": "größe"}],
    }
    assert violations(shape("sagemaker", "CreateEndpointConfig"), request) == []


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (
            {"EndpointConfigName": "s_d"},
            "'endpointConfigName' failed to satisfy constraint: Member must satisfy regu",
        ),
        ({"EndpointConfigName": "x" * 64}, "Member must have length less than or equal to 63"),
        ({}, "'endpointConfigName' failed to satisfy constraint: Member must not be null"),
        (
            {"EndpointConfigName": "sd", "ProductionVariants": [{"InstanceType": "ml.g99.huge"}]},
            "'productionVariants.1.member.InstanceType' failed to satisfy constraint: Member must satisfy e",
        ),
        (
            {"EndpointConfigName": "sd", "ProductionVariants": [{"VolumeSizeInGB": 513}]},
            "Member must have value less than or equal to 512",
        ),
        ({"EndpointConfigName": "sd", "ProductionVariants": []}, "length greater than or equal to 1"),
        ({"EndpointConfigName": "sd", "Tags": [{"Key": "a\0", "Value": ""}]}, "'tags.1.member.Key'"),
    ],
)
def test_a_request_that_aws_refuses_is_told_why(request_: dict[str, Any], words: str) -> None:
    assert words in "\n".join(violations(shape("sagemaker", "CreateEndpointConfig"), request_))


def test_values_are_not_repeated_since_they_may_be_secret() -> None:
    found = violations(shape("sagemaker-runtime", "InvokeEndpointAsync"), {"EndpointName": "hunter_2"})
    assert found and "hunter_2" not in "".join(found)


def test_maps_are_checked_by_key_and_value() -> None:
    container = {"Image": "x", "Environment": {"1A": "v"}}
    found = violations(shape("sagemaker", "CreateModel"), {"ModelName": "m", "PrimaryContainer": container})
    assert "environment.key" in "".join(found).lower()


def test_unicode_properties_are_understood_in_and_out_of_brackets() -> None:
    async_invocation = shape("sagemaker-runtime", "InvokeEndpointAsync")
    request = {"EndpointName": "sd", "CustomAttributes": string.printable, "InferenceId": "a b~"}
    assert violations(async_invocation, request) == []
    for bad in ({"CustomAttributes": "ä"}, {"InferenceId": " a"}, {"InferenceId": "a\x7f"}):
        assert violations(async_invocation, {"EndpointName": "sd"} | bad), bad


def test_a_registered_session_refuses_before_it_sends() -> None:
    session = boto3.Session()
    register(session.events)
    client = session.client("sagemaker", endpoint_url="http://127.0.0.1:1")
    with pytest.raises(ParamValidationError, match="DescribeEndpoint: Value at 'endpointName'"):
        client.describe_endpoint(EndpointName="not_a_name")
