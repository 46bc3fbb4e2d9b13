"""What an endpoint's containers have printed, from CloudWatch Logs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from webui_async.contract.errors import PipelineError
from webui_async.contract.times import to_iso
from webui_async.deploy import names
from webui_async.deploy.aws_errors import is_absent, told
from webui_async.deploy.clients import Clients
from webui_async.deploy.making import Clock
from webui_async.packager.report import printable

#: How many of a container's last lines tell why it failed.
LAST = 15
_STREAMS = 3
#: CloudWatch may show an event this long after others that are newer.
_LATE_S = 30.0
_FOLLOW_POLL_S = 2.0


@dataclass(frozen=True)
class Line:
    """One line of one instance."""

    at_s: float  #: seconds since 1970
    stream: str
    text: str
    id: str

    def __str__(self) -> str:
        instance = self.stream.rpartition("/")[2]
        return f"{to_iso(self.at_s)} {printable(instance)} {printable(self.text)}"


def last_lines(aws: Clients, name: str, since_s: float, count: int = LAST) -> list[Line]:
    """The last lines of the instance that printed last, none older than `since_s`; empty when there are none.

    It never raises: it is asked for when something else went wrong.
    """
    try:
        with told("logs"):
            found = _unless_absent(lambda: _last_of_newest(aws.client("logs"), name, count))
    except PipelineError as error:
        return [Line(since_s, "", f"(the log cannot be read: {error})", "")]
    return [line for line in found or [] if line.at_s >= since_s]


def list_streams(aws: Clients, name: str) -> list[str]:
    """The streams of the endpoint's log, one for each instance. Raises NotAllowed and its like."""
    pages = (
        aws.client("logs").get_paginator("describe_log_streams").paginate(logGroupName=names.log_group(name))
    )
    with told("logs"):
        found = _unless_absent(
            lambda: [each["logStreamName"] for page in pages for each in page["logStreams"]]
        )
    return found or []


def told_lines(lines: list[Line], name: str) -> str:
    """The end of a message: the lines, or what their absence means."""
    if not lines:
        return (
            f"The containers printed nothing to {names.log_group(name)}: an image that cannot be pulled, a "
            "model pack that cannot be read, and an ami_version whose driver does not fit leave no lines"
        )
    return "\n".join(["The container's last lines:", *(f"  {line}" for line in lines)])


def read_lines(
    aws: Clients, name: str, since_s: float, *, follow: bool = False, clock: Clock | None = None
) -> Iterator[Line]:
    """Every line since then, oldest first; with `follow` those that come, for ever.

    An endpoint that has printed nothing yet has no log group, which is no error.
    """
    clock = clock or Clock(time.time)
    logs, seen, start_s = aws.client("logs"), set[str](), since_s
    while True:
        found = list(_events_since(logs, name, start_s))
        fresh = [line for line in found if line.id not in seen]
        yield from fresh
        if not follow:
            return
        seen = {line.id for line in found}
        start_s = max(start_s, max((line.at_s for line in found), default=0.0) - _LATE_S)
        clock.sleep(_FOLLOW_POLL_S)


def _events_since(logs: Any, name: str, since_s: float) -> Iterator[Line]:
    page: dict[str, Any] = {}
    while True:
        with told("logs"):
            answer = _unless_absent(
                lambda page=page: logs.filter_log_events(
                    logGroupName=names.log_group(name),
                    startTime=int(since_s * 1000),
                    interleaved=True,
                    **page,
                )
            )
        if answer is None:
            return
        yield from (_line(event, event["logStreamName"]) for event in answer["events"])
        if not answer.get("nextToken"):
            return
        page = {"nextToken": answer["nextToken"]}


def _last_of_newest(logs: Any, name: str, count: int) -> list[Line]:
    group = names.log_group(name)
    streams = logs.describe_log_streams(
        logGroupName=group, orderBy="LastEventTime", descending=True, limit=_STREAMS
    )["logStreams"]
    for stream in (each["logStreamName"] for each in streams):
        events = logs.get_log_events(
            logGroupName=group, logStreamName=stream, limit=count, startFromHead=False
        )["events"]
        if events:
            return [_line(event, stream) for event in events]
    return []


def _line(event: Mapping[str, Any], stream: str) -> Line:
    text = str(event["message"]).rstrip("\n")
    identity = str(event.get("eventId") or f"{stream}/{event['timestamp']}/{text}")
    return Line(event["timestamp"] / 1000, stream, text, identity)


def _unless_absent(call: Any) -> Any:
    try:
        return call()
    except ClientError as error:
        if is_absent(error):
            return None
        raise
