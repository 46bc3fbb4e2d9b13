"""deploy/quotas.py: the account's quota of a type, by its code where that is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from webui_async.contract.errors import NotAllowed
from webui_async.deploy.quotas import Quota, read_quota

NAME = "ml.g5.xlarge for endpoint usage"


@pytest.fixture
def quotas() -> Any:
    return boto3.client("service-quotas")


@pytest.fixture
def stubber(quotas: Any) -> Iterator[Stubber]:
    with Stubber(quotas) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def entry(name: str, value: float, code: str) -> dict[str, Any]:
    return {
        "ServiceCode": "sagemaker",
        "QuotaName": name,
        "QuotaCode": code,
        "Value": value,
        "Adjustable": True,
    }


def listed(*entries: dict[str, Any], token: str | None = None) -> dict[str, Any]:
    return {"Quotas": list(entries)} | ({"NextToken": token} if token else {})


def test_a_type_whose_code_is_known_costs_one_call(quotas: Any, stubber: Stubber) -> None:
    request = {"ServiceCode": "sagemaker", "QuotaCode": "L-1928E07B"}
    stubber.add_response("get_service_quota", {"Quota": entry(NAME, 2.0, "L-1928E07B")}, request)
    assert read_quota(quotas, "ml.g5.xlarge") == Quota(NAME, 2.0, "L-1928E07B")


def test_a_code_that_means_something_else_now_is_not_believed(quotas: Any, stubber: Stubber) -> None:
    stubber.add_response("get_service_quota", {"Quota": entry("something else", 9.0, "L-1928E07B")})
    stubber.add_response("list_service_quotas", listed(entry(NAME, 1.0, "L-7")))
    assert read_quota(quotas, "ml.g5.xlarge") == Quota(NAME, 1.0, "L-7")


def test_a_type_without_a_code_is_looked_up_page_by_page(quotas: Any, stubber: Stubber) -> None:
    request = {"ServiceCode": "sagemaker", "MaxResults": 100}
    wanted = "ml.p3.2xlarge for endpoint usage"
    stubber.add_response("list_service_quotas", listed(entry(NAME, 1.0, "L-7"), token="more"), request)
    page = listed(entry("ml.p3.2xlarge for training job usage", 3.0, "L-8"), entry(wanted, 0.0, "L-9"))
    stubber.add_response("list_service_quotas", page, request | {"NextToken": "more"})
    assert read_quota(quotas, "ml.p3.2xlarge") == Quota(wanted, 0.0, "L-9")


def test_a_type_that_is_listed_nowhere_has_none(quotas: Any, stubber: Stubber) -> None:
    stubber.add_client_error("get_service_quota", "NoSuchResourceException")
    stubber.add_response("list_service_quotas", listed())
    assert read_quota(quotas, "ml.g5.xlarge") is None


def test_a_refusal_is_told(quotas: Any, stubber: Stubber) -> None:
    stubber.add_client_error("get_service_quota", "AccessDeniedException")
    with pytest.raises(NotAllowed, match="grant servicequotas:GetServiceQuota"):
        read_quota(quotas, "ml.g5.xlarge")
