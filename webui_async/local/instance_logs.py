"""What instances print, in CloudWatch Logs: a stream for each instance, as SageMaker has it.

Group /aws/sagemaker/Endpoints/{endpoint}, stream {variant}/{instance id}. It is written as the endpoint's
execution role, so the role's policy has to allow it here too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from webui_async.local.instance import Instance

logger = logging.getLogger(__name__)

#: Between two looks at the instances' logs.
PERIOD_S = 0.5
#: What one PutLogEvents may hold, with room to spare. Source: CloudWatch Logs API, PutLogEvents.
_EVENTS, _BYTES, _LINE_BYTES, _OVERHEAD_BYTES = 1_000, 500_000, 200_000, 26


class InstanceLog:
    """The log of one instance, and how much of it is shipped."""

    def __init__(self, client: Any, group: str, stream: str, path: Path, now: Callable[[], float]):
        self._client, self._place = client, {"logGroupName": group, "logStreamName": stream}
        self._path, self._now = path, now
        self._shipped_bytes = 0
        self._is_open = False
        self._lock = threading.Lock()

    @property
    def has_more(self) -> bool:
        return self._path.exists() and self._path.stat().st_size > self._shipped_bytes

    def ship(self, is_whole: bool) -> None:
        """Send the lines that are new. Raises botocore's errors.

        is_whole: nothing more will be written, so a line that has no end yet is a line too.
        """
        with self._lock:
            new = self._read(is_whole)
            if new and not self._is_open:
                self._open()
            for events in _batches(new, int(self._now() * 1000)):
                self._client.put_log_events(**self._place, logEvents=events)
            self._shipped_bytes += len(new)

    def _read(self, is_whole: bool) -> bytes:
        with self._path.open("rb") as log:
            log.seek(self._shipped_bytes)
            new = log.read()
        return new if is_whole else new[: new.rfind(b"\n") + 1]

    def _open(self) -> None:
        errors = self._client.exceptions
        try:
            self._make(self._client.create_log_stream, self._place)
        except errors.ResourceNotFoundException:  # the stack has made no group for this endpoint
            self._make(self._client.create_log_group, {"logGroupName": self._place["logGroupName"]})
            self._make(self._client.create_log_stream, self._place)
        self._is_open = True

    def _make(self, make: Callable[..., object], names: dict[str, str]) -> None:
        with contextlib.suppress(self._client.exceptions.ResourceAlreadyExistsException):
            make(**names)  # unless another instance, or an endpoint of the same name, was first


class LogShipper:
    """Ships the logs of one endpoint's instances until each of them has ended."""

    def __init__(self, make_log: Callable[[Instance], InstanceLog]):
        self._make_log = make_log
        self._logs: dict[Instance, InstanceLog] = {}
        self._is_refused = False
        self._task = asyncio.create_task(self._run())

    def follow(self, instance: Instance) -> None:
        """Ship what the instance prints from now on."""
        self._logs[instance] = self._make_log(instance)

    async def finish(self, instance: Instance) -> None:
        """The instance has ended: ship the rest."""
        await self._ship(self._logs.pop(instance), is_whole=True)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(PERIOD_S)
            for log in list(self._logs.values()):
                await self._ship(log, is_whole=False)

    async def _ship(self, log: InstanceLog, is_whole: bool) -> None:
        if self._is_refused or not log.has_more:
            return
        try:
            await asyncio.to_thread(log.ship, is_whole)
        except (ClientError, BotoCoreError) as error:
            # SageMaker goes on without logs as well.
            self._is_refused = True
            logger.warning("what the instances print does not reach CloudWatch Logs: %s", error)


def _batches(text: bytes, at_ms: int) -> Iterator[list[dict[str, Any]]]:
    """The lines as events, as many in a list as one call may carry."""
    events: list[dict[str, Any]] = []
    size_bytes = 0
    for line in text.splitlines():
        message = line[:_LINE_BYTES].decode(errors="replace")
        if not message:
            continue  # an event has a message
        if len(events) == _EVENTS or size_bytes > _BYTES - _LINE_BYTES:
            yield events
            events, size_bytes = [], 0
        events.append({"timestamp": at_ms, "message": message})
        size_bytes += len(line) + _OVERHEAD_BYTES
    if events:
        yield events
