"""Application Auto Scaling where moto takes what AWS refuses or forgets what AWS keeps. In moto's process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from moto.applicationautoscaling.exceptions import AWSValidationException
from moto.applicationautoscaling.models import ApplicationAutoscalingBackend as Backend
from moto.applicationautoscaling.models import FakeScalableTarget, applicationautoscaling_backends
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.exceptions import JsonRESTError
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import FakeEndpoint, sagemaker_backends

from webui_async.deploy.scaling_calls import DIMENSION, SERVICE, resource_id
from webui_async.local.moto_endpoints import Life

_register, _deregister, _put = (
    Backend.register_scalable_target,
    Backend.deregister_scalable_target,
    Backend.put_scaling_policy,
)


def install(replace: Callable[[type, str, Any], None]) -> None:
    """From now on moto's Application Auto Scaling does as AWS's. `replace` is setattr, or a test's."""
    replace(Backend, "register_scalable_target", register_scalable_target)
    replace(Backend, "deregister_scalable_target", deregister_scalable_target)
    replace(Backend, "put_scaling_policy", put_scaling_policy)


def register_scalable_target(
    backend: Backend, namespace: str, r_id: str, dimension: str, **rest: Any
) -> FakeScalableTarget:
    """A variant that does not exist cannot be a target."""
    if namespace == SERVICE and r_id not in _variants(backend.region_name):
        raise AWSValidationException(f"There is no variant of an endpoint with resource ID {r_id}")
    return _register(backend, namespace, r_id, dimension, **rest)


def deregister_scalable_target(backend: Backend, namespace: str, r_id: str, dimension: str) -> None:
    """A target's policies go with it."""
    _deregister(backend, namespace, r_id, dimension)
    for key, policy in list(backend.policies.items()):
        if (policy.service_namespace, policy.resource_id, policy.scalable_dimension) == (
            namespace,
            r_id,
            dimension,
        ):
            del backend.policies[key]


def put_scaling_policy(backend: Backend, **parameters: Any) -> Any:
    """A policy has a target, and keeps its ARN when it is put again."""
    place, dimension = parameters["resource_id"], parameters["scalable_dimension"]
    namespace = parameters["service_namespace"]
    if place not in backend.targets.get(dimension, {}):
        raise JsonRESTError(
            "ObjectNotFoundException",
            f"No scalable target registered for service namespace: {namespace}, resource ID: {place}, "
            f"scalable dimension: {dimension}",
        )
    key = "\t".join((namespace, place, dimension, parameters["policy_name"]))
    before = backend.policies.get(key)
    policy = _put(backend, **parameters)
    if before is not None:
        policy.policy_arn = before.policy_arn
    return policy


def require_unscaled(endpoint: FakeEndpoint, now: Mapping[str, str], then: Mapping[str, str]) -> None:
    """Raises ValidationError when a scalable target would go, or get another instance type.

    now, then: the instance type of each variant.
    Source: SageMaker developer guide, "Update endpoints that use auto scaling".
    """
    targets = _backend(endpoint).targets.get(DIMENSION, {})
    changed = [name for name, kind in now.items() if then.get(name) != kind]
    scaled = [name for name in changed if resource_id(endpoint.endpoint_name, name) in targets]
    if scaled:
        raise ValidationError(
            f'The variant(s) "{scaled}" must be deregistered as scalable targets with AWS Auto Scaling '
            "before they can be removed or have their instance type updated."
        )


def forget(endpoint: FakeEndpoint) -> None:
    """Its variants are no scalable targets any more: SageMaker sees to that when it deletes an endpoint."""
    backend, prefix = _backend(endpoint), resource_id(endpoint.endpoint_name, "")
    for place in [place for place in backend.targets.get(DIMENSION, {}) if place.startswith(prefix)]:
        deregister_scalable_target(backend, SERVICE, place, DIMENSION)


def _backend(endpoint: FakeEndpoint) -> Backend:
    region = endpoint.arn.split(":")[3]
    return applicationautoscaling_backends[DEFAULT_ACCOUNT_ID][region]


def _variants(region: str) -> set[str]:
    """The resource IDs of all variants of all endpoints, those that are being created too."""
    return {
        resource_id(name, variant["VariantName"])
        for name, endpoint in sagemaker_backends[DEFAULT_ACCOUNT_ID][region].endpoints.items()
        for variant in Life(endpoint).wanted
    }
