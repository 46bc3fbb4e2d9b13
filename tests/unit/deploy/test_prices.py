"""deploy/prices.py: the hourly price of an endpoint's instance, from answers like the Price List's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from tests.unit.deploy.products import product
from webui_async.contract.errors import NotAllowed
from webui_async.deploy.prices import Offer, read_offer

KIND, REGION = "ml.g5.xlarge", "eu-central-1"
FILTERS = [
    {"Type": "TERM_MATCH", "Field": "regionCode", "Value": REGION},
    {"Type": "TERM_MATCH", "Field": "instanceName", "Value": KIND},
]
REQUEST = {
    "ServiceCode": "AmazonSageMaker",
    "Filters": FILTERS,
    "MaxResults": 100,
    "FormatVersion": "aws_v1",
}
HOST = product(f"EUC1-Host:{KIND}", 1.4, component="Hosting")
ASYNC = product(f"EUC1-AsyncInf:{KIND}", 1.7)
OTHERS = [
    product(f"EUC1-Train:{KIND}", 9.0, component="Training"),
    product(f"EUC1-AsyncInf:{KIND}-Storage", 9.0),
    product(f"EUC1-AsyncInf:{KIND}", 0.1, unit="GB-Mo"),
    {"product": {"attributes": {"usagetype": f"EUC1-Host:{KIND}"}}, "terms": {"Reserved": {}}},
]


@pytest.fixture
def pricing() -> Any:
    return boto3.client("pricing", region_name="us-east-1")


@pytest.fixture
def stubber(pricing: Any) -> Iterator[Stubber]:
    with Stubber(pricing) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def page(products: list[dict[str, Any]], token: str | None = None) -> dict[str, Any]:
    return {"FormatVersion": "aws_v1", "PriceList": [json.dumps(each) for each in products]} | (
        {"NextToken": token} if token else {}
    )


@pytest.mark.parametrize(
    ("products", "offer"),
    [
        ([HOST, ASYNC, *OTHERS], Offer(1.7, True)),
        ([*OTHERS, HOST], Offer(1.4, False)),
        (OTHERS, None),
        ([], None),
        (
            [product(f"AsyncInf:{KIND}", 1.6)],
            Offer(1.6, True),
        ),  # without a region's prefix
    ],
)
def test_the_price_of_asynchronous_endpoints_comes_first(
    pricing: Any, stubber: Stubber, products: list[dict[str, Any]], offer: Offer | None
) -> None:
    stubber.add_response("get_products", page(products), REQUEST)
    assert read_offer(pricing, KIND, REGION) == offer


def test_every_page_is_read(pricing: Any, stubber: Stubber) -> None:
    stubber.add_response("get_products", page(OTHERS, "more"), REQUEST)
    stubber.add_response("get_products", page([ASYNC]), REQUEST | {"NextToken": "more"})
    assert read_offer(pricing, KIND, REGION) == Offer(1.7, True)


def test_a_refusal_is_told(pricing: Any, stubber: Stubber) -> None:
    stubber.add_client_error("get_products", "AccessDeniedException")
    with pytest.raises(NotAllowed, match="grant pricing:GetProducts"):
        read_offer(pricing, KIND, REGION)
