"""An account's quotas of instances for endpoints, which moto does not have. It runs in moto's process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.sagemaker.exceptions import SagemakerClientError
from moto.sagemaker.models import FakeEndpointConfig, SageMakerModelBackend

from webui_async.local.moto_endpoints import WANTED, Life, Variants


class Quotas:
    """Unlimited, but for the instance types that are set."""

    def __init__(self) -> None:
        self._limits: dict[str, int] = {}

    def set(self, instance_type: str, instances: int | None) -> None:
        """None: unlimited again."""
        if instances is None:
            self._limits.pop(instance_type, None)
        else:
            self._limits[instance_type] = instances

    def require(
        self,
        backend: SageMakerModelBackend,
        config: FakeEndpointConfig | None,
        variants: Variants,
        before: Mapping[str, int],
    ) -> None:
        """Raises SagemakerClientError when `variants`, of this configuration, want more than there may be.

        before: the instances that each variant wants already, of the same type.
        """
        types = instance_types(config)
        for variant in variants:
            kind = types.get(variant["VariantName"], "")
            more = (variant.get(WANTED) or 0) - before.get(variant["VariantName"], 0)
            if kind in self._limits and more > 0:
                limit, used = self._limits[kind], _used(backend, kind)
                if used + more > limit:
                    raise SagemakerClientError("ResourceLimitExceeded", _refusal(kind, limit, used, more))


def instance_types(config: FakeEndpointConfig | None) -> dict[str, str]:
    """The instance type of each variant; none when the configuration was deleted."""
    variants: list[dict[str, Any]] = config.production_variants if config else []
    return {each["VariantName"]: each.get("InstanceType", "") for each in variants}


def _used(backend: SageMakerModelBackend, kind: str) -> int:
    """Instances of the type that all endpoints want together."""
    used = 0
    for endpoint in backend.endpoints.values():
        types = instance_types(backend.endpoint_configs.get(endpoint.endpoint_config_name))
        for variant in Life(endpoint).wanted:
            if variant.get("InstanceType", types.get(variant["VariantName"])) == kind:
                used += variant.get(WANTED) or 0
    return used


def _refusal(kind: str, limit: int, used: int, more: int) -> str:
    """In AWS's words."""
    return (
        f"The account-level service limit '{kind} for endpoint usage' is {limit} Instances, with current "
        f"utilization of {used} Instances and a request delta of {more} Instances. Please use AWS Service "
        "Quotas to request an increase for this quota. If AWS Service Quotas is not available, contact AWS "
        "support to request an increase for this quota."
    )
