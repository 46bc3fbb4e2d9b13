"""What S3 refuses, in the words of somebody who can mend it: which action, on which resource, and what to do.

The one place of the packager where botocore's errors become ours. What all of AWS says alike (who was refused
what, credentials, connections) is read here for the deployer too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from webui_async.contract.errors import (
    BucketElsewhere,
    BucketMissing,
    BytesDiffer,
    CredentialsRefused,
    NotAllowed,
    StoreError,
    StoreUnreachable,
)

#: What a caller whose request was cut off has to do.
GO_ON = "Run the same command again: a push goes on where it stopped"

#: The permission that an operation needs where their names differ. Source: Service Authorization Reference.
_ACTIONS = {
    "HeadBucket": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListParts": "ListMultipartUploadParts",
    "HeadObject": "GetObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}
_OF_BUCKETS = ("ListBucket", "ListBucketMultipartUploads")
#: How IAM's newer messages tell who was refused what.
_REFUSED = re.compile(
    r"(?:User: (?P<who>\S+) is )?not authorized to perform: (?P<action>[\w:]+)"
    r'(?: on (?:resource: )?"?(?P<resource>arn:[^"\s]+)"?)?'
    r"(?P<why> with an explicit deny[^:]*| because [^:]*)?"
)
_DENIED = ("AccessDenied", "403", "Forbidden", "AllAccessDisabled")
_NO_BUCKET = ("NoSuchBucket",)
_ELSEWHERE = (
    "PermanentRedirect",
    "301",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
)
EXPIRED = ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired")
UNKNOWN = ("InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch", "InvalidClientTokenId")
CLOCK = ("RequestTimeTooSkewed",)
_DAMAGED = ("BadDigest", "XAmzContentChecksumMismatch", "InvalidDigest")
_FORGOTTEN = ("NoSuchUpload",)
_BUSY = ("SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "500", "503")

NO_CREDENTIALS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.ProfileNotFound,
    exceptions.SSOError,
    exceptions.TokenRetrievalError,
)
NO_CONNECTION = (exceptions.ConnectionError, exceptions.HTTPClientError, HTTPError)


@contextmanager
def told(uri: str) -> Iterator[None]:
    """What S3 says wrong in this block, as a StoreError that a person can act on.

    uri: what the block is about. Errors of the Store's are told again, in better words.
    """
    try:
        yield
    except (ClientError, BotoCoreError, HTTPError) as error:
        raise _explained(error, uri) from error
    except StoreError as error:
        if type(error) is StoreError and isinstance(error.__cause__, (ClientError, BotoCoreError, HTTPError)):
            raise _explained(error.__cause__, uri) from error
        raise


@dataclass(frozen=True)
class Refusal:
    """What IAM tells of a refusal; None for what it leaves out."""

    who: str | None = None
    action: str | None = None
    resource: str | None = None
    why: str | None = None

    @property
    def told(self) -> str:
        """The middle of a sentence: ` as WHO (WHY)`, as far as it is known."""
        who = f" as {self.who}" if self.who else ""
        return who + (f" ({self.why})" if self.why else "")


def read_refusal(message: str) -> Refusal:
    """What the message of an AccessDenied tells. Older services say no more than that it is denied."""
    found = _REFUSED.search(message)
    if found is None:
        return Refusal()
    why = (found["why"] or "").strip().rstrip(".")
    return Refusal(found["who"], found["action"], found["resource"], why or None)


def code_of(error: BaseException | None) -> str:
    """S3's own code of a refusal; empty when it is none."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _explained(error: Exception, uri: str) -> StoreError:
    if isinstance(error, ClientError):
        return _refusal(error, uri)
    if isinstance(error, exceptions.NoRegionError):
        return StoreError("no AWS region is set: say it with AWS_REGION or `aws configure`")
    if isinstance(error, NO_CREDENTIALS):
        return CredentialsRefused(
            f"{uri}: there are no usable AWS credentials here ({error}). "
            "Log in with `aws sso login` or `aws configure`, or name a profile with AWS_PROFILE"
        )
    if isinstance(error, NO_CONNECTION):
        return StoreUnreachable(f"{uri}: the connection to S3 failed ({error}). {GO_ON}")
    return StoreError(f"{uri}: {error}")


def _refusal(error: ClientError, uri: str) -> StoreError:
    """A StoreError from an answer of S3's."""
    code, operation = code_of(error), str(error.operation_name)
    message = str(error.response.get("Error", {}).get("Message", ""))
    bucket = uri.removeprefix("s3://").partition("/")[0]
    if code in _NO_BUCKET or (code == "404" and operation == "HeadBucket"):
        return BucketMissing(
            f"there is no bucket {bucket!r}: the stack's bucket is its output BucketName, "
            f"or make one with `aws s3 mb s3://{bucket}`"
        )
    if code in _DENIED or code.startswith("KMS."):
        return _not_allowed(operation, message, uri)
    if code in _ELSEWHERE:
        return elsewhere(bucket, _region_in(error), None)
    if code in EXPIRED:
        return CredentialsRefused(
            f"{uri}: the AWS credentials have expired ({message}): log in again. {GO_ON}"
        )
    if code in UNKNOWN:
        return CredentialsRefused(f"{uri}: AWS does not know these credentials ({code}): log in again")
    if code in CLOCK:
        return CredentialsRefused(f"{uri}: this machine's clock is wrong by more than 15 minutes: set it")
    if code in _DAMAGED:
        return BytesDiffer(f"{uri}: the bytes that arrived are not the ones that were sent ({code}). {GO_ON}")
    if code in _FORGOTTEN:
        return StoreError(f"{uri}: S3 does not have the parts any more that were sent. {GO_ON}")
    if code in _BUSY:
        return StoreUnreachable(f"{uri}: S3 is busy or failed ({code}: {message}). {GO_ON}")
    return StoreError(f"{uri}: S3 refused {operation} ({code}: {message})")


def elsewhere(bucket: str, its_region: str | None, our_region: str | None) -> BucketElsewhere:
    """The error for a bucket of another region."""
    ours = f" and you work in {our_region}" if our_region else ""
    return BucketElsewhere(
        f"bucket {bucket!r} lies in {its_region or 'another region'}{ours}: an endpoint reads buckets of its "
        f"own region only. Set AWS_REGION={its_region or '…'}, or use a bucket of the endpoint's region"
    )


def _region_in(error: ClientError) -> str | None:
    headers: Mapping[str, str] = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers.get("x-amz-bucket-region") or None


def _not_allowed(operation: str, message: str, uri: str) -> NotAllowed:
    refused = read_refusal(message)
    action = refused.action or f"s3:{_ACTIONS.get(operation, operation)}"
    resource = refused.resource or _arn(action, uri)
    return NotAllowed(f"{uri}: AWS refuses {operation}{refused.told}: grant {action} on {resource}")


def _arn(action: str, uri: str) -> str:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    is_bucket = action.partition(":")[2] in _OF_BUCKETS or not key
    return f"arn:aws:s3:::{bucket}" if is_bucket else f"arn:aws:s3:::{bucket}/{key}"
