"""deploy/aws_errors.py: what AWS refuses is told with the action, the resource and the remedy."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from webui_async.contract.errors import (
    AwsRefused,
    AwsUnreachable,
    CredentialsRefused,
    EndpointBusy,
    NotAllowed,
    PipelineError,
    QuotaExceeded,
    TypeUnavailable,
)
from webui_async.deploy.aws_errors import is_absent, told

WHO = "arn:aws:sts::123456789012:assumed-role/operator/lin"
PASS_ROLE = (
    f"User: {WHO} is not authorized to perform: iam:PassRole on resource: "
    "arn:aws:iam::123456789012:role/house-EndpointRole-1 because no identity-based policy allows the "
    "iam:PassRole action"
)
QUOTA = (
    "The account-level service limit 'ml.g5.xlarge for endpoint usage' is 0 Instances, with current "
    "utilization of 0 Instances and a request delta of 1 Instances. Please use AWS Service Quotas"
)


def refusal(code: str, message: str = "", operation: str = "CreateModel", status: int = 400) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, operation)


@pytest.mark.parametrize(
    ("error", "kind", "parts"),
    [
        (
            refusal("AccessDeniedException", PASS_ROLE),
            NotAllowed,
            [
                f"AWS refuses CreateModel as {WHO} (because no identity-based policy allows",
                "grant iam:PassRole on arn:aws:iam::123456789012:role/house-EndpointRole-1",
            ],
        ),
        (
            refusal(
                "ValidationException",
                f"User: {WHO} is not authorized to perform: cloudwatch:PutMetricAlarm",
                "PutScalingPolicy",
            ),
            NotAllowed,
            [f"AWS refuses PutScalingPolicy as {WHO}: grant cloudwatch:PutMetricAlarm"],
        ),
        (refusal("AccessDenied"), NotAllowed, ["AWS refuses CreateModel: grant sagemaker:CreateModel"]),
        (
            refusal("ResourceLimitExceeded", QUOTA, "CreateEndpoint"),
            QuotaExceeded,
            ["quota 'ml.g5.xlarge for endpoint usage' is 0 (0 in use, 1 more needed)", "servicequotas/home"],
        ),
        (
            refusal("ResourceLimitExceeded", "too many endpoints", "CreateEndpoint"),
            QuotaExceeded,
            ["a limit of the account stands in the way of CreateEndpoint: too many endpoints"],
        ),
        (refusal("ExpiredTokenException", "old"), CredentialsRefused, ["expired (old): log in again"]),
        (refusal("UnrecognizedClientException"), CredentialsRefused, ["does not know these credentials"]),
        (refusal("InvalidSignatureException", "Signature expired"), AwsRefused, ["Signature expired"]),
        (refusal("RequestTimeTooSkewed"), CredentialsRefused, ["clock is wrong"]),
        (
            refusal("ThrottlingException"),
            AwsUnreachable,
            ["asks for fewer requests", "Run the same command again"],
        ),
        (refusal("InternalFailure", "oops\n<html>", status=500), AwsUnreachable, ["(InternalFailure: oops)"]),
        (
            refusal("ValidationException", "Instance type ml.g5.xlarge is not supported in this region"),
            TypeUnavailable,
            ["Choose another type or region"],
        ),
        (
            refusal("ValidationException", 'Cannot update in-progress endpoint "arn"', "UpdateEndpoint"),
            EndpointBusy,
            ["SageMaker refuses UpdateEndpoint for now", "once it has ended"],
        ),
        (
            refusal("ValidationException", "Could not access model data"),
            AwsRefused,
            ["sagemaker refused CreateModel (ValidationException: Could not access model data)"],
        ),
        (exceptions.NoCredentialsError(), CredentialsRefused, ["aws configure", "AWS_PROFILE"]),
        (exceptions.NoRegionError(), AwsRefused, ["AWS_REGION"]),
        (exceptions.ProfileNotFound(profile="x"), CredentialsRefused, ["profile"]),
        (
            exceptions.EndpointConnectionError(endpoint_url="https://sagemaker"),
            AwsUnreachable,
            ["the connection to AWS failed", "Run the same command again"],
        ),
        (exceptions.ParamValidationError(report="Key: no"), AwsRefused, ["Key: no"]),
    ],
)
def test_each_refusal_says_what_to_do(error: Exception, kind: type[PipelineError], parts: list[str]) -> None:
    with pytest.raises(PipelineError) as caught, told("sagemaker"):
        raise error
    assert type(caught.value) is kind and caught.value.__cause__ is error
    for part in parts:
        assert part in str(caught.value)


def test_an_action_bears_the_prefix_that_policies_know() -> None:
    with pytest.raises(NotAllowed, match="grant servicequotas:GetServiceQuota"), told("service-quotas"):
        raise refusal("AccessDeniedException", operation="GetServiceQuota")


@pytest.mark.parametrize(
    ("error", "absent"),
    [
        (refusal("ValidationException", 'Could not find endpoint "arn".'), True),
        (refusal("ValidationError", "Stack with id x does not exist"), True),
        (refusal("ValidationException", "No scalable target found for service namespace"), True),
        (refusal("ObjectNotFoundException", "No scalable target registered"), True),
        (refusal("ResourceNotFoundException"), True),
        (refusal("ImageNotFoundException"), True),
        (refusal("ValidationException", "Could not access model data"), False),
        (refusal("AccessDenied", "Could not find"), False),
        (exceptions.NoRegionError(), False),
    ],
)
def test_what_is_not_there_is_told_from_what_is_refused(error: Exception, absent: bool) -> None:
    assert is_absent(error) is absent


def test_errors_that_are_ours_pass() -> None:
    mine = AwsRefused("mine")
    with pytest.raises(AwsRefused) as caught, told("sagemaker"):
        raise mine
    assert caught.value is mine
