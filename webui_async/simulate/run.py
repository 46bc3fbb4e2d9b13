"""The simulation: events in order of time, and once a period what the policies decide."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable
from typing import Any

from webui_async.contract.scaling import PERIOD_S, Change, Point, Scaler
from webui_async.simulate.endpoint import Endpoint
from webui_async.simulate.fleet import Fleet, Instance
from webui_async.simulate.queue import Queue
from webui_async.simulate.result import Outcome, Result
from webui_async.simulate.traffic import Arrival


def simulate(arrivals: Iterable[Arrival], endpoint: Endpoint, until_s: float = 0.0) -> Result:
    """What comes of these arrivals. The same arguments give the same result.

    The endpoint begins with its fewest instances, in service. The simulation goes on until every job is
    over, the endpoint is back at its fewest instances if its policies ever take it there, and `until_s`.
    """
    return _Simulation(arrivals, endpoint, until_s).run()


class _Simulation:
    """Everything that moves, and the time."""

    def __init__(self, arrivals: Iterable[Arrival], endpoint: Endpoint, until_s: float):
        self._endpoint, self._until_s = endpoint, until_s
        self._jobs = [Outcome(arrival.at_s, arrival.drawing_s) for arrival in arrivals]
        self._jobs.sort(key=lambda job: job.arrival_s)
        self._to_come = iter(self._jobs)
        self._left = len(self._jobs)  # jobs that are not over
        self._queue = Queue(endpoint.ttl_s)
        self._fleet = Fleet(endpoint.max_jobs)
        self._scaler = Scaler(endpoint.scaling)
        self._changes: list[Change] = []
        self._points: list[Point] = []
        self._now_s = 0.0
        self._is_over = False
        self._events: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._numbers = itertools.count()  # of events at the same time the first announced comes first

    def run(self) -> Result:
        for instance in self._fleet.launch(self._endpoint.scaling.min_capacity, 0.0):
            self._fleet.enter_service(instance, 0.0)
        self._announce_arrival()
        self._at(self._endpoint.first_period_s, self._end_period, None)
        while not self._is_over:
            self._now_s, _, happen, subject = heapq.heappop(self._events)
            happen(subject)
        lives = [instance.life(self._now_s) for instance in self._fleet.all]
        return Result(self._jobs, lives, self._changes, self._points, self._now_s)

    def _at(self, at_s: float, happen: Callable[[Any], None], subject: object) -> None:
        heapq.heappush(self._events, (at_s, next(self._numbers), happen, subject))

    # What happens ---------------------------------------------------------------------------------------

    def _arrive(self, job: Outcome) -> None:
        self._enqueue(job)
        self._announce_arrival()

    def _enqueue(self, job: Outcome) -> None:
        self._queue.put(job)
        self._dispatch()

    def _enter_service(self, instance: Instance) -> None:
        self._fleet.enter_service(instance, self._now_s)
        self._dispatch()

    def _end_drawing(self, instance: Instance) -> None:
        if instance.is_retired:
            return
        instance.finish(self._now_s)
        self._left -= 1
        if instance.in_hand:
            self._begin_drawing(instance)
        self._dispatch()

    def _end_period(self, _: None) -> None:
        backlog = self._count_waiting() + self._fleet.jobs_in_hand
        point = Point(self._now_s, backlog, len(self._fleet.in_service))
        self._points.append(point)
        is_updating = point.instances != self._fleet.capacity
        change = self._scaler.observe(point, self._fleet.capacity, is_updating)
        if change is not None:
            self._scale(change)
        self._is_over = self._left == 0 and self._now_s >= self._until_s and self._is_at_rest
        self._at(self._now_s + PERIOD_S, self._end_period, None)

    # What follows from it -------------------------------------------------------------------------------

    @property
    def _is_at_rest(self) -> bool:
        scaling = self._endpoint.scaling
        return self._fleet.capacity <= scaling.min_capacity or not scaling.target_tracking

    def _announce_arrival(self) -> None:
        job = next(self._to_come, None)
        if job is not None:
            self._at(job.arrival_s, self._arrive, job)

    def _count_waiting(self) -> int:
        """The jobs in the queue. Those whose time is up are over, and none of them."""
        self._left -= len(self._queue.expire(self._now_s))
        return len(self._queue)

    def _dispatch(self) -> None:
        while self._count_waiting() and (instance := self._fleet.free_instance()):
            instance.in_hand.append((self._queue.take(), self._now_s))
            if len(instance.in_hand) == 1:
                self._begin_drawing(instance)

    def _begin_drawing(self, instance: Instance) -> None:
        end_s = instance.begin(self._endpoint.pickup_s, self._endpoint.overhead_s)
        self._at(end_s, self._end_drawing, instance)

    def _scale(self, change: Change) -> None:
        self._changes.append(change)
        for instance in self._fleet.launch(max(0, change.after - change.before), self._now_s):
            self._at(self._now_s + self._endpoint.cold_start_s, self._enter_service, instance)
        for job in self._fleet.retire(max(0, change.before - change.after), self._now_s):
            self._at(self._now_s + self._endpoint.redraw_delay_s, self._enqueue, job)
