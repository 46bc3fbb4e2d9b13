"""What is wanted, what is there -> the calls that make the one from the other. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from webui_async.deploy import names
from webui_async.deploy.calls import CHANGE, CREATE, DELETE, Call, calls_table, counted
from webui_async.deploy.checks import check
from webui_async.deploy.described import Described, EndpointFacts, Registered
from webui_async.deploy.remarks import cost_lines, differences, remarks
from webui_async.deploy.requests import Wanted, settle_s, wanted_requests
from webui_async.deploy.scaling_plan import deregister_calls, scaling_calls
from webui_async.deploy.spec import EndpointSpec
from webui_async.deploy.start import Start, expected_start

SAGEMAKER = "sagemaker"


@dataclass(frozen=True)
class Plan:
    """What apply does, and what one wants to know before."""

    name: str  #: the endpoint's
    config: str  #: the endpoint configuration that it has in the end
    calls: tuple[Call, ...]  #: in order; empty when all is as it is to be
    undo: tuple[Call, ...]  #: what takes a failed update's own parts away again
    notes: tuple[str, ...]
    costs: tuple[str, ...]
    start: Start  #: from zero to the first job
    settle_s: float  #: how long SageMaker may take for the endpoint, at most

    def text(self) -> str:
        """The calls as a table, and what one wants to know before."""
        done = f"nothing to do: endpoint {self.name} is as it is to be"
        parts = "\n".join(f"  {part.line}" for part in self.start.parts)
        paragraphs = [
            calls_table(self.calls) if self.calls else done,
            "\n".join(self.costs),
            f"from zero to the first job, about {self.start.seconds:.0f} s (an estimate):\n{parts}",
            "\n".join(f"note: {note}" for note in self.notes),
        ]
        return "\n\n".join(filter(None, paragraphs))


def make_plan(spec: EndpointSpec, described: Described) -> Plan:
    """Raises what checks.check raises."""
    check(spec, described)
    usd = price_for(spec, described)
    wanted = wanted_requests(spec, described.name, described.outputs, usd)
    step = next(iter(spec.scaling(described.name).steps), None)
    calls = tuple(_calls(spec, described, wanted))
    return Plan(
        described.name,
        wanted.config_name,
        calls,
        tuple(_undo(described, wanted)),
        tuple(remarks(spec, described, {call.operation for call in calls})),
        tuple(cost_lines(spec, described, usd)),
        expected_start(step, described.image, described.pack, spec.start_seconds),
        float(settle_s(spec)),
    )


def price_for(spec: EndpointSpec, described: Described) -> float | None:
    """What the container takes an instance to cost.

    A price that it was given already stays: that the price list moved is no reason for an update.
    """
    if spec.usd_per_hour is not None:
        return spec.usd_per_hour
    endpoint, offer = described.endpoint, described.offer.value
    if endpoint and endpoint.usd_per_hour and endpoint.instance_type == spec.instance_type:
        return endpoint.usd_per_hour
    return offer.usd_per_hour if offer else None


def _calls(spec: EndpointSpec, described: Described, wanted: Wanted) -> Iterator[Call]:
    name, held, endpoint = described.name, described.held, described.endpoint
    tags = names.tags_of(name, spec.tags)
    yield from _parts(spec, described, wanted)
    registered = held.registered
    if endpoint is None:
        yield from deregister_calls(name, registered)  # left by an endpoint that was deleted by other hands
        registered = Registered()
        yield _create(spec, wanted)
    elif endpoint.status == "Failed":
        yield from deregister_calls(name, registered)
        registered = Registered()
        why = f"endpoint {name}, which failed: {endpoint.failure or 'SageMaker gives no reason'}"
        yield Call(SAGEMAKER, "DeleteEndpoint", {"EndpointName": name}, DELETE, why)
        yield _create(spec, wanted)
    elif endpoint.config != wanted.config_name or endpoint.status == "UpdateRollbackFailed":
        if endpoint.instance_type != spec.instance_type and registered.targets:
            # SageMaker refuses to change the type of what is a scalable target.
            yield from deregister_calls(name, registered)
            registered = Registered()
        yield _update(spec, endpoint, wanted)
    yield from scaling_calls(name, spec.scaling(name), registered, tags)
    if endpoint is not None and endpoint.status != "Failed":
        yield from _tags(endpoint, tags)
    yield from _leftovers(described, wanted)


def _parts(spec: EndpointSpec, described: Described, wanted: Wanted) -> Iterator[Call]:
    held = described.held
    if wanted.model_name not in held.models:
        told = f"model {wanted.model_name}: image {spec.image.rpartition('/')[2]}, pack {spec.pack}"
        yield Call(SAGEMAKER, "CreateModel", wanted.model, CREATE, told)
    if wanted.config_name not in held.configs:
        told = f"configuration {wanted.config_name}: {spec.instance_type}, {spec.max_jobs} jobs in hand"
        yield Call(SAGEMAKER, "CreateEndpointConfig", wanted.config, CREATE, told)


def _create(spec: EndpointSpec, wanted: Wanted) -> Call:
    name = wanted.endpoint["EndpointName"]
    told = f"endpoint {name}: {spec.initial_instances} {spec.instance_type} at first"
    return Call(SAGEMAKER, "CreateEndpoint", wanted.endpoint, CREATE, told)


def _update(spec: EndpointSpec, endpoint: EndpointFacts, wanted: Wanted) -> Call:
    told = (
        f"endpoint {wanted.endpoint['EndpointName']}: {'; '.join(differences(spec, endpoint, wanted))}. "
        f"Blue/green, {counted(endpoint.wanted)} kept, back to {endpoint.config} when it fails"
    )
    return Call(SAGEMAKER, "UpdateEndpoint", wanted.update, CHANGE, told)


def _tags(endpoint: EndpointFacts, tags: dict[str, str]) -> Iterator[Call]:
    missing = {key: value for key, value in tags.items() if endpoint.tags.get(key) != value}
    if missing:
        told = f"tags of the endpoint: {', '.join(f'{key}={value}' for key, value in missing.items())}"
        parameters = {"ResourceArn": endpoint.arn, "Tags": names.listed_tags(missing)}
        yield Call(SAGEMAKER, "AddTags", parameters, CHANGE, told)


def _leftovers(described: Described, wanted: Wanted) -> Iterator[Call]:
    """What earlier versions of the endpoint were made of."""
    for config in described.held.configs:
        if config != wanted.config_name:
            yield delete_config(config)
    for model in described.held.models:
        if model != wanted.model_name:
            yield delete_model(model)


def _undo(described: Described, wanted: Wanted) -> Iterator[Call]:
    endpoint = described.endpoint
    if endpoint is not None and endpoint.config != wanted.config_name:
        yield delete_config(wanted.config_name)
        if endpoint.model != wanted.model_name:
            yield delete_model(wanted.model_name)


def delete_config(name: str) -> Call:
    parameters = {"EndpointConfigName": name}
    return Call(SAGEMAKER, "DeleteEndpointConfig", parameters, DELETE, f"configuration {name}")


def delete_model(name: str) -> Call:
    return Call(SAGEMAKER, "DeleteModel", {"ModelName": name}, DELETE, f"model {name}")
