"""Takes an endpoint away with everything that was made for it; what the stack made stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from webui_async.contract import keys
from webui_async.deploy import names
from webui_async.deploy.calls import DELETE, Call
from webui_async.deploy.checks import require_ours
from webui_async.deploy.clients import Clients
from webui_async.deploy.described import Held, describe_held
from webui_async.deploy.logs import list_streams
from webui_async.deploy.making import Clock, Maker, Say, settle
from webui_async.deploy.plan import SAGEMAKER, delete_config, delete_model
from webui_async.deploy.scaling_plan import deregister_calls

#: Longer than any creation or update may take: SageMaker deletes only what is at rest.
_WAIT_S = 4 * 3600.0


def delete_calls(held: Held, bucket: str | None, log: Sequence[str] | None) -> Iterator[Call]:
    """In order, without what is gone already; nobody was asked about the catalog.

    bucket: of the stack, whose catalog of the endpoint goes too; None when the stack is gone.
    log: the streams of the endpoint's log, to be deleted; None leaves it. The group itself is the stack's.
    Pure. Raises EndpointNameTaken.
    """
    name = held.name
    if held.endpoint is not None:
        require_ours(name, held.endpoint)
    yield from deregister_calls(name, held.registered)
    if held.endpoint is not None and held.endpoint.status != "Deleting":
        yield Call(SAGEMAKER, "DeleteEndpoint", {"EndpointName": name}, DELETE, f"endpoint {name}")
    yield from map(delete_config, held.configs)
    yield from map(delete_model, held.models)
    if bucket is not None:
        key = keys.catalog(name)
        yield Call(
            "s3", "DeleteObject", {"Bucket": bucket, "Key": key}, DELETE, f"catalog s3://{bucket}/{key}"
        )
    if log is not None:
        yield from _log_calls(names.log_group(name), log, is_of_stack=bucket is not None)


def _log_calls(group: str, streams: Sequence[str], *, is_of_stack: bool) -> Iterator[Call]:
    if not is_of_stack:
        yield Call("logs", "DeleteLogGroup", {"logGroupName": group}, DELETE, f"log group {group}")
        return
    for stream in streams:
        which = {"logGroupName": group, "logStreamName": stream}
        yield Call("logs", "DeleteLogStream", which, DELETE, f"log of {stream} in {group}")


def delete(
    aws: Clients, name: str, bucket: str | None, say: Say, *, logs: bool = False, clock: Clock | None = None
) -> None:
    """Nothing of the endpoint is left. Broken off anywhere, the next run goes on.

    An endpoint that is being created, updated or scaled is waited for: SageMaker deletes no other.
    Raises EndpointNameTaken, WaitedTooLong, NotAllowed and their like.
    """
    clock = clock or Clock()
    held = describe_held(aws, name)
    maker = Maker(aws, clock)
    for call in delete_calls(held, bucket, list_streams(aws, name) if logs else None):
        if call.operation == "DeleteEndpoint":
            settle(aws, name, _WAIT_S, clock, say, lambda _: True)
        if call.operation in ("DeleteEndpointConfig", "DeleteObject"):
            # A configuration must outlive its endpoint, and living containers write the catalog.
            settle(aws, name, _WAIT_S, clock, say, lambda _: False)
        say(f"{call.verb} {call.sentence}")
        maker.make(call)
