"""Other bounds and another number of instances for an endpoint that is there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from webui_async.contract.errors import InvalidOption
from webui_async.contract.scaling import Scaling, StepScaling, TargetTracking
from webui_async.deploy import names
from webui_async.deploy.calls import CHANGE, Call, counted
from webui_async.deploy.checks import require_calm, require_ours
from webui_async.deploy.described import EndpointFacts, Held
from webui_async.deploy.scaling_plan import registered_scaling, scaling_calls
from webui_async.deploy.status import require_endpoint

SAGEMAKER = "sagemaker"


def scale_calls(
    held: Held, *, least: int | None = None, most: int | None = None, now: int | None = None
) -> list[Call]:
    """What gives the endpoint these bounds, and `now` instances until scaling decides otherwise.

    None leaves as it is. Pure. Raises EndpointMissing, EndpointNameTaken, EndpointBusy, InvalidOption.
    """
    endpoint = require_endpoint(held)
    require_ours(held.name, endpoint)
    before = registered_scaling(held.name, held.registered) or _unregistered(endpoint)
    scaling = _with_bounds(held.name, before, least, most)
    if now is not None:
        rule = f"it must be from {scaling.min_capacity} to {scaling.max_capacity}, the bounds of scaling"
        _demand(scaling.min_capacity <= now <= scaling.max_capacity, "--now", now, rule)
        require_calm(held.name, endpoint)
    tags = names.tags_of(held.name, {})
    calls = list(scaling_calls(held.name, scaling, held.registered, tags))
    return [*calls, *_instances(held.name, endpoint, now)]


def _with_bounds(name: str, scaling: Scaling, least: int | None, most: int | None) -> Scaling:
    low = scaling.min_capacity if least is None else least
    high = scaling.max_capacity if most is None else most
    _demand(low >= 0, "--min", low, "it must be 0 or more")
    _demand(high >= max(1, low), "--max", high, f"it must be 1 or more, and no less than --min, {low}")
    steps = scaling.steps
    if low == 0 and not steps:
        steps = (StepScaling(names.step_policy(name)),)  # or nothing leads out of zero
    return dataclasses.replace(scaling, min_capacity=low, max_capacity=high, steps=steps if low == 0 else ())


def _unregistered(endpoint: EndpointFacts) -> Scaling:
    """What to begin from when nothing is registered, or nothing that we understand."""
    name = str(endpoint.tags[names.TAG])
    jobs = float(endpoint.environment.get("WEBUI_ASYNC_MAX_JOBS", 8))
    return Scaling(0, max(1, endpoint.wanted), (TargetTracking(names.tracking_policy(name), jobs),))


def _instances(name: str, endpoint: EndpointFacts, now: int | None) -> Iterator[Call]:
    if now is not None and now != endpoint.wanted:
        wanted = [{"VariantName": names.VARIANT, "DesiredInstanceCount": now}]
        parameters = {"EndpointName": name, "DesiredWeightsAndCapacities": wanted}
        told = f"endpoint {name}: {endpoint.wanted} -> {counted(now)}"
        yield Call(SAGEMAKER, "UpdateEndpointWeightsAndCapacities", parameters, CHANGE, told)


def _demand(is_good: bool, option: str, value: object, rule: str) -> None:
    if not is_good:
        raise InvalidOption(option, value, rule)
