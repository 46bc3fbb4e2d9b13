"""What S3 refuses is told with the action, the resource and the remedy."""

from __future__ import annotations

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from webui_async.contract.errors import (
    BucketElsewhere,
    BucketMissing,
    BytesDiffer,
    CredentialsRefused,
    NotAllowed,
    PipelineError,
    StoreError,
    StoreUnreachable,
)
from webui_async.packager.s3_errors import told

URI = "s3://art/packs/ink/1/Lora/a.safetensors"
IAM_MESSAGE = (
    "User: arn:aws:iam::123456789012:user/lin is not authorized to perform: s3:PutObject on resource: "
    '"arn:aws:s3:::art/packs/ink/1/Lora/a.safetensors" because no identity-based policy allows the '
    "s3:PutObject action"
)
KMS_MESSAGE = (
    "User: arn:aws:iam::123456789012:user/lin is not authorized to perform: kms:GenerateDataKey on resource: "
    "arn:aws:kms:eu-central-1:123456789012:key/1234 with an explicit deny in a resource-based policy"
)


def refusal(code: str, message: str = "", operation: str = "UploadPart", region: str = "") -> ClientError:
    metadata = {"HTTPHeaders": {"x-amz-bucket-region": region} if region else {}}
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, operation)  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("error", "kind", "parts"),
    [
        (refusal("NoSuchBucket"), BucketMissing, ["no bucket 'art'", "aws s3 mb s3://art"]),
        (refusal("404", operation="HeadBucket"), BucketMissing, ["no bucket 'art'"]),
        (
            refusal("AccessDenied", "Access Denied"),
            NotAllowed,
            ["grant s3:PutObject on arn:aws:s3:::art/packs/ink/1/Lora/a.safetensors"],
        ),
        (
            refusal("AccessDenied", IAM_MESSAGE),
            NotAllowed,
            [
                "as arn:aws:iam::123456789012:user/lin",
                "no identity-based policy",
                "grant s3:PutObject on arn:aws:s3:::art/packs/ink/1/Lora/a.safetensors",
            ],
        ),
        (
            refusal("AccessDenied", KMS_MESSAGE),
            NotAllowed,
            ["explicit deny", "grant kms:GenerateDataKey on arn:aws:kms:eu-central-1:123456789012:key/1234"],
        ),
        (
            refusal("403", operation="HeadObject"),
            NotAllowed,
            ["grant s3:GetObject on arn:aws:s3:::art/packs/"],
        ),
        (
            refusal("AccessDenied", operation="ListObjectsV2"),
            NotAllowed,
            ["s3:ListBucket on arn:aws:s3:::art"],
        ),
        (
            refusal("AccessDenied", operation="ListMultipartUploads"),
            NotAllowed,
            ["grant s3:ListBucketMultipartUploads on arn:aws:s3:::art"],
        ),
        (
            refusal("AccessDenied", operation="ListParts"),
            NotAllowed,
            ["grant s3:ListMultipartUploadParts on arn:aws:s3:::art/packs/"],
        ),
        (
            refusal("PermanentRedirect", region="us-east-1"),
            BucketElsewhere,
            ["lies in us-east-1", "AWS_REGION=us-east-1"],
        ),
        (
            refusal("ExpiredToken", "the token has expired"),
            CredentialsRefused,
            ["have expired", "log in again"],
        ),
        (refusal("InvalidAccessKeyId"), CredentialsRefused, ["does not know these credentials"]),
        (refusal("RequestTimeTooSkewed"), CredentialsRefused, ["clock"]),
        (refusal("BadDigest"), BytesDiffer, ["not the ones that were sent"]),
        (refusal("NoSuchUpload"), StoreError, ["does not have the parts any more", "again"]),
        (refusal("SlowDown", "reduce your rate"), StoreUnreachable, ["busy", "again"]),
        (refusal("EntityTooLarge", "too large"), StoreError, ["refused UploadPart", "too large"]),
        (exceptions.NoCredentialsError(), CredentialsRefused, ["aws configure", "AWS_PROFILE"]),
        (exceptions.ProfileNotFound(profile="x"), CredentialsRefused, ["profile"]),
        (exceptions.NoRegionError(), StoreError, ["AWS_REGION"]),
        (
            exceptions.EndpointConnectionError(endpoint_url="https://s3"),
            StoreUnreachable,
            ["the connection to S3 failed", "goes on where it stopped"],
        ),
        (
            exceptions.ReadTimeoutError(endpoint_url="https://s3"),
            StoreUnreachable,
            ["goes on where it stopped"],
        ),
        (exceptions.ConnectionClosedError(endpoint_url="https://s3"), StoreUnreachable, ["again"]),
        (exceptions.ParamValidationError(report="Key: no"), StoreError, ["Key: no"]),
    ],
)
def test_each_refusal_says_what_to_do(error: Exception, kind: type[PipelineError], parts: list[str]) -> None:
    with pytest.raises(StoreError) as caught, told(URI):
        raise error
    assert type(caught.value) is kind and caught.value.__cause__ is error
    for part in parts:
        assert part in str(caught.value)


def test_what_the_store_says_is_told_again_in_better_words() -> None:
    with pytest.raises(NotAllowed, match="grant s3:PutObject on"), told(URI):
        raise StoreError("S3 put_bytes failed") from refusal("AccessDenied")


def test_errors_that_are_ours_already_stay_as_they_are() -> None:
    mine = StoreError("s3://art/a is not JSON")
    with pytest.raises(StoreError) as caught, told(URI):
        raise mine
    assert caught.value is mine
