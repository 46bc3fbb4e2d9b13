"""The endpoint's side: a queue, instances with up to K jobs in hand, one drawing at a time on each."""

from __future__ import annotations

import math
from collections import deque

from webui_async.simulate.result import Life, Outcome


class Instance:
    """One container and its engine."""

    def __init__(self, launched_s: float, in_service_s: float | None = None):
        self.launched_s, self.in_service_s = launched_s, in_service_s
        self.stopped_s: float | None = None
        self.busy_s = 0.0
        self.free_s = -math.inf  #: when its last drawing ended
        self.in_hand: deque[tuple[Outcome, float]] = deque()  #: job, when it came; the first is being drawn

    @property
    def is_retired(self) -> bool:
        return self.stopped_s is not None

    def life(self, end_s: float) -> Life:
        stopped_s = end_s if self.stopped_s is None else self.stopped_s
        return Life(self.launched_s, self.in_service_s, stopped_s, self.busy_s)

    def begin(self, pickup_s: float, overhead_s: float) -> float:
        """The first in hand is drawn as soon as can be. Gives the time when that ends."""
        job, came_s = self.in_hand[0]
        job.started_s = max(self.free_s + overhead_s, came_s + pickup_s)
        return job.started_s + job.drawing_s

    def finish(self, now_s: float) -> Outcome:
        """The first in hand, drawn."""
        job, _ = self.in_hand.popleft()
        job.ended_s = self.free_s = now_s
        self.busy_s += job.drawing_s
        return job

    def retire(self, now_s: float) -> list[Outcome]:
        """It stops at once; what it had in hand goes back, undrawn."""
        self.stopped_s = now_s
        back = [job for job, _ in self.in_hand]
        self.in_hand.clear()
        for job in back:
            if job.started_s is not None and job.started_s < now_s:
                self.busy_s += now_s - job.started_s
                job.drawings_lost += 1
            job.started_s = None
        return back


class Fleet:
    """Every instance that ever was, and those that are wanted."""

    def __init__(self, most_in_hand: int):
        self._most_in_hand = most_in_hand
        self._wanted: list[Instance] = []  # oldest first
        self.all: list[Instance] = []
        self.in_service: list[Instance] = []  #: oldest first

    @property
    def capacity(self) -> int:
        """The instances that are wanted, in service or not."""
        return len(self._wanted)

    @property
    def jobs_in_hand(self) -> int:
        return sum(len(instance.in_hand) for instance in self.in_service)

    def launch(self, count: int, now_s: float) -> list[Instance]:
        launched = [Instance(now_s) for _ in range(count)]
        self._wanted += launched
        self.all += launched
        return launched

    def enter_service(self, instance: Instance, now_s: float) -> None:
        """It takes jobs from now on."""
        instance.in_service_s = now_s
        self.in_service.append(instance)

    def retire(self, count: int, now_s: float) -> list[Outcome]:
        """The jobs that the `count` newest instances had in hand."""
        kept = len(self._wanted) - count
        newest, self._wanted = self._wanted[kept:], self._wanted[:kept]
        self.in_service = [instance for instance in self.in_service if instance not in newest]
        return [job for instance in newest for job in instance.retire(now_s)]

    def free_instance(self) -> Instance | None:
        """The least busy instance that can take one more job; of several, the oldest."""
        least, fewest = None, self._most_in_hand
        for instance in self.in_service:
            if len(instance.in_hand) < fewest:
                least, fewest = instance, len(instance.in_hand)
        return least
