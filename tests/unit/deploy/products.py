"""Products of AWS's price list, in the form in which GetProducts gives them.

Built after the published offer file of AmazonSageMaker: attributes, and terms keyed by SKU and rate code.
"""

from __future__ import annotations

from typing import Any


def product(usage: str, usd: float, unit: str = "Hrs", component: str = "AsyncInf") -> dict[str, Any]:
    """usage: such as `EUC1-AsyncInf:ml.g5.xlarge`."""
    kind = usage.partition(":")[2]
    dimension = {
        "unit": unit,
        "endRange": "Inf",
        "beginRange": "0",
        "description": f"${usd} per {component} {kind} hour in EU (Frankfurt)",
        "appliesTo": [],
        "rateCode": "SKU1.JRTCKXETXF.6YS6EN2CT7",
        "pricePerUnit": {"USD": f"{usd:.10f}"},
    }
    term = {
        "priceDimensions": {"SKU1.JRTCKXETXF.6YS6EN2CT7": dimension},
        "sku": "SKU1",
        "effectiveDate": "2026-11-01T00:00:00Z",
        "offerTermCode": "JRTCKXETXF",
        "termAttributes": {},
    }
    attributes = {
        "instanceName": kind,
        "instanceType": f"{kind}-{component}",
        "component": component,
        "regionCode": "eu-central-1",
        "location": "EU (Frankfurt)",
        "servicecode": "AmazonSageMaker",
        "servicename": "Amazon SageMaker",
        "usagetype": usage,
        "operation": "RunInstance",
    }
    return {
        "product": {"productFamily": "ML Instance", "attributes": attributes, "sku": "SKU1"},
        "serviceCode": "AmazonSageMaker",
        "terms": {"OnDemand": {"SKU1.JRTCKXETXF": term}},
        "version": "20261101000000",
        "publicationDate": "2026-11-01T00:00:00Z",
    }
