"""What AWS refuses, told so that it can be mended: the deployer's one seam to botocore's errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

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
from webui_async.packager.s3_errors import (
    CLOCK,
    EXPIRED,
    NO_CONNECTION,
    NO_CREDENTIALS,
    UNKNOWN,
    code_of,
    read_refusal,
)

#: What whoever was broken off has to do.
GO_ON = "Run the same command again: it goes on where it stopped"
QUOTAS_PAGE = "https://console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas"

_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403")
_UNKNOWN = (*UNKNOWN, "UnrecognizedClientException", "UnrecognizedClient", "AuthFailure")
_CLOCK = (*CLOCK, "SignatureExpired")
_THROTTLED = (
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "ConcurrentUpdateException",
)
_AT_LIMIT = ("ResourceLimitExceeded", "LimitExceededException", "LimitExceeded")
#: How a service says that something is not there; SageMaker and CloudFormation say it only in words.
_ABSENT = (
    "ResourceNotFound",
    "ResourceNotFoundException",
    "ObjectNotFoundException",
    "RepositoryNotFoundException",
    "ImageNotFoundException",
    "NoSuchResourceException",
)
_INVALID = ("ValidationException", "ValidationError")
_ABSENT_WORDS = re.compile(r"Could not find|does not exist|No scal(?:able target|ing policy) found")
#: SageMaker's sentence. Source: public reports, aws-samples/sagemaker-custom-project-templates issue 51.
_QUOTA = re.compile(
    r"service limit '(?P<name>[^']+)' is (?P<limit>\S+) \w+, with current utilization of (?P<used>\S+) \w+ "
    r"and a request delta of (?P<more>\S+)"
)
_NO_TYPE = re.compile(
    r"instance ?type.{0,80}(?:not (?:supported|available|offered)|unsupported)|unsupported instance ?type",
    re.IGNORECASE,
)
_BUSY = re.compile(
    r"Cannot (?:update|delete|modify) (?:in-progress )?endpoint|in-progress|is being updated", re.I
)
#: Client name -> what its actions are called in policies.
_PREFIXES = {"service-quotas": "servicequotas"}


@contextmanager
def told(service: str) -> Iterator[None]:
    """What AWS says wrong in this block, as a PipelineError that a person can act on.

    service: as boto3 calls it; policies mostly call it the same.
    """
    try:
        yield
    except (ClientError, BotoCoreError, HTTPError) as error:
        raise explained(error, service) from error


def is_absent(error: Exception) -> bool:
    """Whether AWS says that what the request names is not there."""
    code = code_of(error)
    return code in _ABSENT or (code in _INVALID and _ABSENT_WORDS.search(str(error)) is not None)


def explained(error: Exception, service: str) -> PipelineError:
    """The error of ours that says the same."""
    if isinstance(error, ClientError):
        return _refusal(error, service)
    if isinstance(error, exceptions.NoRegionError):
        return AwsRefused("no AWS region is set: say it with AWS_REGION or `aws configure`")
    if isinstance(error, NO_CREDENTIALS):
        return CredentialsRefused(
            f"there are no usable AWS credentials here ({error}). "
            "Log in with `aws sso login` or `aws configure`, or name a profile with AWS_PROFILE"
        )
    if isinstance(error, NO_CONNECTION):
        return AwsUnreachable(f"{service}: the connection to AWS failed ({error}). {GO_ON}")
    return AwsRefused(f"{service}: {error}")


def _refusal(error: ClientError, service: str) -> PipelineError:
    code, operation = code_of(error), str(error.operation_name)
    message = str(error.response.get("Error", {}).get("Message", ""))
    # Application Auto Scaling tells what it was refused in the caller's name as a ValidationException.
    if code in _DENIED or read_refusal(message).action:
        return _not_allowed(service, operation, message)
    if code in EXPIRED:
        return CredentialsRefused(f"the AWS credentials have expired ({message}): log in again. {GO_ON}")
    if code in _UNKNOWN:
        return CredentialsRefused(f"AWS does not know these credentials ({code}: {message}): log in again")
    if code in _CLOCK:
        return CredentialsRefused("this machine's clock is wrong by more than 15 minutes: set it")
    if code in _AT_LIMIT:
        return _over_quota(operation, message)
    if code in _THROTTLED:
        return AwsUnreachable(f"{service} asks for fewer requests ({operation}: {code}). {GO_ON}")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status >= 500:
        return AwsUnreachable(
            f"{service} failed in {operation} ({code}: {message.partition(chr(10))[0][:200]}). {GO_ON}"
        )
    if _NO_TYPE.search(message):
        return TypeUnavailable(f"SageMaker refuses {operation}: {message}. Choose another type or region")
    if _BUSY.search(message):
        return EndpointBusy(f"SageMaker refuses {operation} for now: {message} {GO_ON}, once it has ended")
    return AwsRefused(f"{service} refused {operation} ({code}: {message})")


def _not_allowed(service: str, operation: str, message: str) -> NotAllowed:
    refused = read_refusal(message)
    action = refused.action or f"{_PREFIXES.get(service, service)}:{operation}"
    resource = f" on {refused.resource}" if refused.resource else ""
    return NotAllowed(f"AWS refuses {operation}{refused.told}: grant {action}{resource}")


def _over_quota(operation: str, message: str) -> QuotaExceeded:
    found = _QUOTA.search(message)
    if found is None:
        return QuotaExceeded(f"a limit of the account stands in the way of {operation}: {message}")
    return quota_exceeded(
        found["name"], found["limit"], f"{found['used']} in use, {found['more']} more needed"
    )


def quota_exceeded(name: str, limit: str, need: str, code: str | None = None) -> QuotaExceeded:
    """The error that names the quota to ask for. code: Service Quotas' own, when it was looked up."""
    return QuotaExceeded(
        f"the account's quota {name!r} is {limit} ({need}). "
        f"Ask for more in Service Quotas, Amazon SageMaker: {QUOTAS_PAGE}{'/' + code if code else ''}"
    )
