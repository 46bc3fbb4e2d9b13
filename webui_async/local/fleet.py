"""The instances of one endpoint configuration, kept at the number that is wanted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from webui_async.local.instance import Health, Instance, InstanceView, Timing

logger = logging.getLogger(__name__)

#: Instances lost in a row before they came into service; then it is no use to go on.
MAX_LOSSES = 3


class Fleet:
    """Starts instances, replaces those that break, stops those that are too many."""

    def __init__(
        self,
        make: Callable[[], Instance],
        timing: Timing,
        on_change: Callable[[], None],
        on_end: Callable[[Instance], Awaitable[None]],
    ):
        """on_change: called when an instance can take invocations, and when one is lost.

        on_end: called when an instance's process is gone, before that counts.
        """
        self._make, self._timing = make, timing
        self._on_change, self._on_end = on_change, on_end
        self._capacity = 0
        self._instances: list[Instance] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._losses = 0  # instances in a row that never came into service
        self.failure: str | None = None  #: why the last of those was lost

    @property
    def has_given_up(self) -> bool:
        """Whether what it has now is all that can be had. It goes on trying, ever more seldom."""
        return self._losses >= MAX_LOSSES

    @property
    def in_service(self) -> int:
        """Instances that take invocations, or will again once they have answered their next /ping."""
        return sum(instance.health in (Health.IN_SERVICE, Health.SUSPECT) for instance in self._instances)

    def views(self) -> list[InstanceView]:
        return [instance.view() for instance in list(self._instances)]

    def set_capacity(self, count: int) -> None:
        """`count` instances from now on; the newest go first."""
        if count != self._capacity:
            self._losses, self.failure = 0, None
        self._capacity = count
        self._fill()

    def free_instance(self, max_concurrent: int) -> Instance | None:
        """The least busy instance that can take one more invocation."""
        free = (
            instance
            for instance in self._instances
            if instance.health is Health.IN_SERVICE and instance.in_flight < max_concurrent
        )
        return min(free, key=lambda instance: instance.in_flight, default=None)

    async def close(self) -> None:
        """No instance is left afterwards."""
        self.set_capacity(0)
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _fill(self) -> None:
        serving = [instance for instance in self._instances if not instance.is_retired]
        for instance in serving[self._capacity :]:
            instance.retire()
        for _ in range(self._capacity - len(serving)):
            self._launch()

    def _launch(self) -> None:
        instance = self._make()
        self._instances.append(instance)
        task = asyncio.create_task(self._live(instance), name=instance.id)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _live(self, instance: Instance) -> None:
        try:
            reason = await instance.run(self._came_up, self._restart_delay_s())
        except OSError as error:
            reason = f"its process cannot be started: {error}"
        await self._on_end(instance)
        self._instances.remove(instance)
        if reason:
            loss = f"instance {instance.id} was lost: {reason}"
            logger.warning(loss)
            if not instance.has_served:
                self._losses, self.failure = self._losses + 1, loss
        self._fill()
        self._on_change()

    def _came_up(self) -> None:
        self._losses, self.failure = 0, None
        self._on_change()

    def _restart_delay_s(self) -> float:
        """None after the first loss, then doubling: an instance that cannot start must not spin."""
        return min(self._timing.max_restart_delay_s, 2.0 ** (self._losses - 2)) if self._losses > 1 else 0.0
