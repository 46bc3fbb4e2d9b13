"""How many instances of a type the account may have on endpoints, asynchronous ones included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from webui_async.deploy.aws_errors import is_absent, told

_SERVICE = "sagemaker"
#: Service Quotas' codes, so that one call does instead of dozens: there are thousands of quotas. A wrong
#: one does no harm: its name is compared. Source: accounts' listings and AWS samples that were published.
_CODES: Mapping[str, str] = {
    "ml.g4dn.xlarge": "L-B67CFA0C",
    "ml.g4dn.2xlarge": "L-EA346344",
    "ml.g4dn.4xlarge": "L-31522FA6",
    "ml.g4dn.8xlarge": "L-7D28AD75",
    "ml.g4dn.12xlarge": "L-07BEB181",
    "ml.g4dn.16xlarge": "L-8679F6F3",
    "ml.g5.xlarge": "L-1928E07B",
    "ml.g5.2xlarge": "L-9614C779",
    "ml.g5.4xlarge": "L-C1B9A48D",
    "ml.g5.8xlarge": "L-065D610E",
    "ml.g5.12xlarge": "L-65C4BD00",
    "ml.g5.16xlarge": "L-962705EA",
    "ml.g5.24xlarge": "L-6821867B",
    "ml.g5.48xlarge": "L-0100B823",
    "ml.g6.xlarge": "L-D470D954",
    "ml.g6.2xlarge": "L-98BDE811",
    "ml.g6.4xlarge": "L-DFB10FDE",
    "ml.g6.12xlarge": "L-0A29AACF",
    "ml.g6e.xlarge": "L-B0729CB4",
    "ml.g6e.2xlarge": "L-F8D7F460",
    "ml.g6e.4xlarge": "L-93531071",
    "ml.g6e.8xlarge": "L-96A28D02",
    "ml.g6e.12xlarge": "L-60313EA3",
    "ml.g6e.16xlarge": "L-2930A179",
    "ml.g6e.24xlarge": "L-AE407E8B",
    "ml.g6e.48xlarge": "L-E0C458EA",
}


@dataclass(frozen=True)
class Quota:
    """A quota of the account in the region."""

    name: str
    value: float
    code: str


def quota_name(instance_type: str) -> str:
    """What to ask Service Quotas for."""
    return f"{instance_type} for endpoint usage"


def read_quota(service_quotas: Any, instance_type: str) -> Quota | None:
    """The account's quota for the type; None when Service Quotas has none of that name here.

    service_quotas: a boto3 client. Raises NotAllowed, AwsUnreachable, AwsRefused.
    """
    name = quota_name(instance_type)
    with told("service-quotas"):
        if code := _CODES.get(instance_type):
            found = _get(service_quotas, code)
            if found and found.name == name:
                return found
        return next((quota for quota in _list(service_quotas) if quota.name == name), None)


def _get(service_quotas: Any, code: str) -> Quota | None:
    try:
        return _quota(service_quotas.get_service_quota(ServiceCode=_SERVICE, QuotaCode=code)["Quota"])
    except ClientError as error:
        if is_absent(error):
            return None
        raise


def _list(service_quotas: Any) -> Iterator[Quota]:
    page: dict[str, Any] = {}
    while True:
        answer = service_quotas.list_service_quotas(ServiceCode=_SERVICE, MaxResults=100, **page)
        yield from map(_quota, answer["Quotas"])
        if not answer.get("NextToken"):
            return
        page = {"NextToken": answer["NextToken"]}


def _quota(described: Mapping[str, Any]) -> Quota:
    return Quota(described["QuotaName"], described["Value"], described["QuotaCode"])
