"""What an instance costs, as AWS's price list says it. No price is written down here.

Source: AWS Price List API, GetProducts of AmazonSageMaker. A product's `usagetype` tells what it is the price
of: `EUC1-AsyncInf:ml.g5.xlarge` of asynchronous, `EUC1-Host:ml.g5.xlarge` of real-time endpoints.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from webui_async.deploy.aws_errors import told

_ASYNC, _REAL_TIME = "AsyncInf", "Host"
_PAGE = 100


@dataclass(frozen=True)
class Offer:
    """An instance type in a region's price list."""

    usd_per_hour: float
    is_async: bool  #: the price of asynchronous endpoints; else the one of real-time endpoints


def read_offer(pricing: Any, instance_type: str, region: str) -> Offer | None:
    """What one instance costs an hour; None when the region's price list does not have the type.

    pricing: a boto3 client of a region that has it. Raises NotAllowed, AwsUnreachable, AwsRefused.
    """
    found: dict[str, float] = {}
    with told("pricing"):
        for product in _products(pricing, instance_type, region):
            usage = str(product["product"]["attributes"].get("usagetype", ""))
            match = re.fullmatch(rf"(?:[A-Z0-9]+-)?({_ASYNC}|{_REAL_TIME}):{re.escape(instance_type)}", usage)
            price = _usd_per_hour(product) if match else None
            if match and price is not None:
                found[match[1]] = price
    kind = next((kind for kind in (_ASYNC, _REAL_TIME) if kind in found), None)
    return Offer(found[kind], kind == _ASYNC) if kind else None


def _products(pricing: Any, instance_type: str, region: str) -> Iterator[Mapping[str, Any]]:
    filters = [
        {"Type": "TERM_MATCH", "Field": "regionCode", "Value": region},
        {"Type": "TERM_MATCH", "Field": "instanceName", "Value": instance_type},
    ]
    page: dict[str, Any] = {}
    while True:
        answer = pricing.get_products(
            ServiceCode="AmazonSageMaker", Filters=filters, MaxResults=_PAGE, FormatVersion="aws_v1", **page
        )
        for text in answer["PriceList"]:
            yield json.loads(text)
        if not answer.get("NextToken"):
            return
        page = {"NextToken": answer["NextToken"]}


def _usd_per_hour(product: Mapping[str, Any]) -> float | None:
    """The price on demand; None for a product that has none in USD and hours."""
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            price = float(dimension["pricePerUnit"].get("USD", 0))
            if dimension.get("unit", "").lower() == "hrs" and price > 0:
                return price
    return None
