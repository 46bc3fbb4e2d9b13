"""One endpoint's way from status to status, as SageMaker goes it, on moto's objects and in its process.

Creating -> InService or Failed; InService -> Updating -> InService, by the new configuration and count, or by
the old ones with a FailureReason. The hosting's reports decide.
Source: SageMaker API, DescribeEndpoint, EndpointStatus.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from moto.core.utils import utcnow
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import FakeEndpoint, FakeEndpointConfig

CREATING, UPDATING, IN_SERVICE, FAILED = "Creating", "Updating", "InService", "Failed"
WANTED, CURRENT, WEIGHT = "DesiredInstanceCount", "CurrentInstanceCount", "DesiredWeight"
#: Source: SageMaker API, DescribeEndpoint, FailureReason.
_REASON_LENGTH = 1024
#: CreationTime has milliseconds.
_SAME_TIME_S = 0.0011

Variants = list[dict[str, Any]]


@dataclass(frozen=True)
class Report:
    """What the hosting says of one endpoint."""

    created_at: (
        float  #: of the endpoint it speaks of, in seconds since 1970; the name may be another's by now
    )
    config: str | None  #: the endpoint configuration that takes invocations; None while none does
    instances: int  #: of that one in service
    failed_config: str | None = None
    reason: str = ""  #: why that one cannot be brought up


class Life:
    """A hold on one endpoint of moto's."""

    def __init__(self, endpoint: FakeEndpoint):
        self.endpoint: Any = endpoint

    @property
    def status(self) -> str:
        return str(self.endpoint.endpoint_status)

    @property
    def is_in_progress(self) -> bool:
        return self.status in (CREATING, UPDATING)

    def is_of(self, created_at: float) -> bool:
        return bool(abs(self.endpoint.creation_time.timestamp() - created_at) < _SAME_TIME_S)

    def require_at_rest(self) -> None:
        """Raises ValidationError, in AWS's words, while nothing about the endpoint can be changed."""
        if self.is_in_progress:
            raise ValidationError(f'Cannot update in-progress endpoint "{self.endpoint.arn}".')

    def require_changeable(self) -> None:
        """Raises ValidationError unless the endpoint is in service."""
        self.require_at_rest()
        if self.status == FAILED:
            raise ValidationError(f'Endpoint "{self.endpoint.arn}" is Failed: it can only be deleted.')

    @property
    def variants(self) -> Variants:
        """Those that take invocations; none before the endpoint was in service."""
        return self.endpoint.production_variants or []

    @property
    def wanted(self) -> Variants:
        """Those that take invocations, and those that are being brought up."""
        return self.variants + self._pending_variants

    # What is asked of it --------------------------------------------------------------------------------

    def begin(self, config: FakeEndpointConfig) -> None:
        """moto made it InService; it is Creating until its instances are in service."""
        variants = self.endpoint.production_variants
        self.endpoint.production_variants = None  # AWS tells none before the endpoint was in service
        self._deploy(CREATING, config, variants)

    def update(self, config: FakeEndpointConfig, variants: Variants) -> None:
        """It is Updating until instances by another configuration are in service."""
        self._deploy(UPDATING, config, variants)

    def set_capacities(self, variants: Variants) -> None:
        """It is Updating until it has as many instances as its variants want now."""
        self._set_status(UPDATING)
        self.endpoint.failure_reason = None
        self.endpoint.variants_before, self.endpoint.production_variants = self.variants, variants
        self._settle()

    def _deploy(self, status: str, config: FakeEndpointConfig, variants: Variants) -> None:
        types = {each["VariantName"]: each.get("InstanceType") for each in config.production_variants}
        self._set_status(status)
        self.endpoint.failure_reason = None
        self.endpoint.pending_deployment_summary = {
            "EndpointConfigName": config.endpoint_config_name,
            "StartTime": self.endpoint.last_modified_time,
            "ProductionVariants": [
                variant | {CURRENT: 0, "InstanceType": types[variant["VariantName"]]} for variant in variants
            ],
        }
        self.endpoint.pending_config = config

    # How it goes on -------------------------------------------------------------------------------------

    def hear(self, report: Report) -> None:
        """Go as far as the report allows."""
        if self.variants and report.config == self.endpoint.endpoint_config_name:
            self.variants[0][CURRENT] = report.instances
        if not self.is_in_progress:
            return
        pending = self._pending
        if report.failed_config == (pending or self.endpoint.endpoint_config_name):
            self._fail(report.reason)
        elif pending is None:
            self._settle()
        elif (report.config, report.instances) == (pending, _count(self._pending_variants[0], WANTED)):
            self._take_over()

    def hold_at_once(self) -> None:
        """What is wanted is there, as moto has it."""
        if self._pending is not None:
            self._take_over()
        for variant in self.variants:
            if WANTED in variant:
                variant[CURRENT] = variant[WANTED]
        self._settle()

    @property
    def _pending(self) -> str | None:
        """The name of the configuration that is being brought up."""
        return self._summary.get("EndpointConfigName")

    @property
    def _pending_variants(self) -> Variants:
        variants: Variants = self._summary.get("ProductionVariants", [])
        return variants

    @property
    def _summary(self) -> dict[str, Any]:
        return getattr(self.endpoint, "pending_deployment_summary", None) or {}

    def _take_over(self) -> None:
        config = self.endpoint.pending_config
        self.endpoint.endpoint_config_name = config.endpoint_config_name
        self.endpoint.async_inference_config = config.async_inference_config
        self.endpoint.data_capture_config = config.data_capture_config
        self.endpoint.production_variants = self._pending_variants
        self.endpoint.pending_deployment_summary = None
        self.variants[0][CURRENT] = _count(self.variants[0], WANTED)
        self._settle()

    def _settle(self) -> None:
        variant = self.variants[0]
        if _count(variant, CURRENT) == _count(variant, WANTED):
            self._set_status(IN_SERVICE)
            self.endpoint.variants_before = None

    def _fail(self, reason: str) -> None:
        """An endpoint that was in service is as it was before."""
        self.endpoint.failure_reason = reason[:_REASON_LENGTH]
        before = getattr(self.endpoint, "variants_before", None) or self.variants
        for variant, old in zip(self.variants, before, strict=True):
            variant[WANTED] = _count(old, WANTED)
        self.endpoint.pending_deployment_summary = self.endpoint.variants_before = None
        self._set_status(IN_SERVICE if self.variants else FAILED)

    def _set_status(self, status: str) -> None:
        self.endpoint.endpoint_status, self.endpoint.last_modified_time = status, utcnow()


def variants_of(config: FakeEndpointConfig) -> Variants:
    """The variants as an endpoint of this configuration begins with them."""
    makers: Any = FakeEndpoint
    variants: Variants = makers._process_production_variants(None, config.production_variants)
    return variants


def retain(variants: Variants, current: Iterable[Mapping[str, Any]], retained: Set[str]) -> Variants:
    """`variants`, with those properties as the current ones have them."""
    kept = {each["VariantName"]: {name: each[name] for name in retained & each.keys()} for each in current}
    return [variant | kept.get(variant["VariantName"], {}) for variant in variants]


def with_wishes(endpoint: FakeEndpoint, wishes: Iterable[Mapping[str, Any]]) -> Variants:
    """The variants as UpdateEndpointWeightsAndCapacities wants them. Raises ValidationError."""
    variants: Variants = copy.deepcopy(endpoint.production_variants)
    by_name = {variant["VariantName"]: variant for variant in variants}
    for wish in wishes:
        variant = by_name.get(wish["VariantName"])
        if variant is None:
            raise ValidationError(
                f'The variant name(s) "{wish["VariantName"]}" is/are not present within endpoint '
                f'configuration "{endpoint.endpoint_config_name}".'
            )
        if WANTED in wish:
            variant[WANTED] = wish[WANTED]
        if WEIGHT in wish:
            variant[WEIGHT] = variant["CurrentWeight"] = wish[WEIGHT]
    return variants


def _count(variant: Mapping[str, Any], name: str) -> int:
    return variant.get(name) or 0
