"""SageMaker's control plane where moto has none, or takes what AWS refuses. It runs in moto's process.

Until a hosting has announced itself nobody could say that instances are in service, so moto's own rule
stands and whatever is asked for holds at once. From then on an endpoint is Creating or Updating until the
hosting has reported on it: moto_endpoints.py.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.responses import ActionResult
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import FakeEndpoint, FakeEndpointConfig, sagemaker_backends
from moto.sagemaker.models import SageMakerModelBackend as Backend
from moto.sagemaker.responses import SageMakerResponse

from webui_async.local import moto_scaling
from webui_async.local.moto_endpoints import (
    WANTED,
    WEIGHT,
    Life,
    Report,
    retain,
    variants_of,
    with_wishes,
)
from webui_async.local.moto_quotas import Quotas, instance_types

#: A call that makes something -> what AWS calls it, where moto keeps it, the parameter that names it.
_MADE = {
    "create_model": ("model", "_models", "model_name"),
    "create_endpoint_config": ("endpoint configuration", "endpoint_configs", "endpoint_config_name"),
    "create_endpoint": ("endpoint", "endpoints", "endpoint_name"),
}
_create_endpoint, _delete_endpoint = Backend.create_endpoint, Backend.delete_endpoint


class SageMaker:
    """What moto's SageMaker lacks; one for all regions of the process."""

    def __init__(self) -> None:
        self._is_hosted = False
        self._quotas = Quotas()
        self._lock = threading.RLock()

    def install(self, replace: Callable[[type, str, Any], None]) -> None:
        """From now on moto's SageMaker does as this one. `replace` is setattr, or a test's."""
        # moto's list of instance types ends before ml.g5, which the template's endpoints use.
        replace(FakeEndpointConfig, "validate_instance_type", lambda *_: None)
        replace(Backend, "create_endpoint", lambda *its, **own: self.create_endpoint(*its, **own))
        replace(Backend, "delete_endpoint", lambda *its, **own: self.delete_endpoint(*its, **own))
        capacities = "update_endpoint_weights_and_capacities"
        replace(Backend, capacities, lambda *its, **own: self.set_capacities(*its, **own))
        replace(SageMakerResponse, "update_endpoint", lambda response: self._answer_update(response))
        for name, (kind, held_in, parameter) in _MADE.items():
            replace(Backend, name, _once(getattr(Backend, name), kind, held_in, parameter))
        moto_scaling.install(replace)

    # What the hosting and tests say ---------------------------------------------------------------------

    def set_hosted(self, is_hosted: bool) -> None:
        """A hosting has come or gone; what nobody will bring up any more holds at once."""
        with self._lock:
            self._is_hosted = is_hosted
            for backend in sagemaker_backends[DEFAULT_ACCOUNT_ID].values():
                for endpoint in backend.endpoints.values():
                    self._go_on(Life(endpoint))

    def set_quota(self, instance_type: str, instances: int | None) -> None:
        """All endpoints together may want so many instances of the type; None: any number."""
        with self._lock:
            self._quotas.set(instance_type, instances)

    def report(self, region: str, name: str, report: Report) -> str | None:
        """The endpoint's status now; None when the report speaks of one that is gone."""
        with self._lock:
            endpoint = sagemaker_backends[DEFAULT_ACCOUNT_ID][region].endpoints.get(name)
            life = Life(endpoint) if endpoint else None
            if life is None or not life.is_of(report.created_at):
                return None
            life.hear(report)
            return life.status

    # What SageMaker's API is asked ----------------------------------------------------------------------

    def create_endpoint(
        self, backend: Backend, endpoint_name: str, endpoint_config_name: str, tags: Any
    ) -> FakeEndpoint:
        with self._lock:
            config = _find_config(backend, endpoint_config_name)
            self._quotas.require(backend, config, variants_of(config), {})
            endpoint = _create_endpoint(backend, endpoint_name, endpoint_config_name, tags)
            life = Life(endpoint)
            life.begin(config)
            self._go_on(life)
            return endpoint

    def update_endpoint(self, backend: Backend, name: str, config_name: str, retained: Set[str]) -> str:
        """The endpoint's ARN. retained: the properties of its variants that stay as they are."""
        with self._lock:
            endpoint, config = _find(backend, name), _find_config(backend, config_name)
            life = Life(endpoint)
            life.require_changeable()
            now = instance_types(backend.endpoint_configs.get(endpoint.endpoint_config_name))
            then = instance_types(config)
            moto_scaling.require_unscaled(endpoint, now, then)
            variants = retain(variants_of(config), life.variants, retained)
            same = {name: kind for name, kind in now.items() if then.get(name) == kind}
            self._quotas.require(backend, config, variants, _counts(life, same))
            life.update(config, variants)
            self._go_on(life)
            return str(endpoint.arn)

    def set_capacities(
        self,
        backend: Backend,
        endpoint_name: str,
        desired_weights_and_capacities: Sequence[Mapping[str, Any]],
    ) -> str:
        """The endpoint's ARN."""
        with self._lock:
            endpoint = _find(backend, endpoint_name)
            life = Life(endpoint)
            life.require_changeable()
            variants = with_wishes(endpoint, desired_weights_and_capacities)
            config = backend.endpoint_configs.get(endpoint.endpoint_config_name)
            self._quotas.require(backend, config, variants, _counts(life, instance_types(config)))
            life.set_capacities(variants)
            self._go_on(life)
            return str(endpoint.arn)

    def delete_endpoint(self, backend: Backend, endpoint_name: str) -> None:
        with self._lock:
            endpoint = _find(backend, endpoint_name)
            Life(endpoint).require_at_rest()
            moto_scaling.forget(endpoint)
            _delete_endpoint(backend, endpoint_name)

    def _answer_update(self, response: SageMakerResponse) -> ActionResult:
        excluded = response._get_param("ExcludeRetainedVariantProperties") or ()
        retained = {WANTED, WEIGHT} - {each["VariantPropertyType"] for each in excluded}
        arn = self.update_endpoint(
            response.sagemaker_backend,
            response._get_param("EndpointName"),
            response._get_param("EndpointConfigName"),
            retained if response._get_param("RetainAllVariantProperties") else set(),
        )
        return ActionResult({"EndpointArn": arn})

    def _go_on(self, life: Life) -> None:
        if not self._is_hosted and life.is_in_progress:
            life.hold_at_once()


def _find(backend: Backend, name: str) -> FakeEndpoint:
    """Raises ValidationError in AWS's words."""
    endpoint: FakeEndpoint | None = backend.endpoints.get(name)
    if endpoint is None:
        arn = FakeEndpoint.arn_formatter(name, backend.account_id, backend.region_name)
        raise ValidationError(f'Could not find endpoint "{arn}".')
    return endpoint


def _find_config(backend: Backend, name: str) -> FakeEndpointConfig:
    """Raises ValidationError in AWS's words."""
    config: FakeEndpointConfig | None = backend.endpoint_configs.get(name)
    if config is None:
        arn = FakeEndpointConfig.arn_formatter(name, backend.account_id, backend.region_name)
        raise ValidationError(f'Could not find endpoint configuration "{arn}".')
    return config


def _once(make: Callable[..., Any], kind: str, held_in: str, parameter: str) -> Callable[..., Any]:
    """`make`, but for a name that is taken: moto would replace what bears it."""

    @functools.wraps(make)
    def make_once(backend: Backend, **parameters: Any) -> Any:
        held = getattr(backend, held_in).get(parameters[parameter])
        if held is not None:
            arn = held.arn if isinstance(held.arn, str) else held.arn[0]
            raise ValidationError(f'Cannot create already existing {kind} "{arn}".')
        return make(backend, **parameters)

    return make_once


def _counts(life: Life, types: Mapping[str, str]) -> dict[str, int]:
    """How many instances those variants want now."""
    return {
        each["VariantName"]: each.get(WANTED) or 0 for each in life.variants if each["VariantName"] in types
    }
