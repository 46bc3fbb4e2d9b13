"""When an endpoint gets another instance and when it loses one: (policies, metrics) -> capacity. Pure.

The local stack and the simulator follow the same rules, so what one says of a policy holds for the other.
Source: Application Auto Scaling user guide, "Target tracking scaling policies" and "Step scaling policies";
SageMaker developer guide, "Autoscale an asynchronous endpoint". POINTS_OUT, POINTS_IN and SCALE_IN_BELOW are
what the alarms of target tracking look like; AWS does not promise them. Inferred, and on the dear side:
points of the time before an instance was added do not count for scaling in, and an endpoint that still takes
up its last capacity is not given another one (of UpdateEndpoint the developer guide says so, in "Update
endpoints that use auto scaling").
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

#: What SageMaker publishes for an asynchronous endpoint, in the namespace AWS/SageMaker, every PERIOD_S.
BACKLOG_PER_INSTANCE = "ApproximateBacklogSizePerInstance"
HAS_BACKLOG_WITHOUT_CAPACITY = "HasBacklogWithoutCapacity"
PERIOD_S = 60.0
#: Points in a row over the target before target tracking scales out, and below it before it scales in.
POINTS_OUT, POINTS_IN = 3, 15
#: Of the target: scaling in waits until the metric is below this share of it.
SCALE_IN_BELOW = 0.9
#: Points that are kept: an alarm may look at as many. Source: CloudWatch, PutMetricAlarm.
_REMEMBERED = 1440


@dataclass(frozen=True)
class TargetTracking:
    """Holds BACKLOG_PER_INSTANCE near a target."""

    name: str
    target: float  #: jobs, queued and in hand, per instance
    #: Registered, and without effect on a metric in proportion: what was added last counts as there already.
    scale_out_cooldown_s: float = 300.0
    scale_in_cooldown_s: float = 600.0


@dataclass(frozen=True)
class StepScaling:
    """Adds instances while the alarm on HAS_BACKLOG_WITHOUT_CAPACITY stands: the way out of zero."""

    name: str
    evaluation_periods: int = 2
    datapoints_to_alarm: int = 2
    threshold: float = 1.0
    adjustment: int = 1  #: instances added at a time
    cooldown_s: float = 300.0


@dataclass(frozen=True)
class Scaling:
    """Everything that is registered for one variant of one endpoint."""

    min_capacity: int
    max_capacity: int
    target_tracking: tuple[TargetTracking, ...] = ()
    steps: tuple[StepScaling, ...] = ()


@dataclass(frozen=True)
class Point:
    """One period's metrics."""

    at_s: float  #: the period's end
    backlog: float  #: jobs queued and in hand
    instances: int  #: in service, able to take jobs

    @property
    def backlog_per_instance(self) -> float:
        """With no instance it is the whole backlog: only a backlog over the target leaves zero by it."""
        return self.backlog / max(1, self.instances)

    @property
    def has_backlog_without_capacity(self) -> float:
        return float(self.backlog > 0 and self.instances == 0)


@dataclass(frozen=True)
class Change:
    """One scaling activity."""

    at_s: float
    before: int  #: the capacity that was wanted until now
    after: int
    policy: str  #: the name of the policy that caused it
    reason: str


@dataclass
class Scaler:
    """Decides once a period. It knows no clock: the time is what the points say."""

    scaling: Scaling
    _points: deque[Point] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    _since_out: int = 0  # points since capacity was added
    _stepped_at: dict[str, float] = field(default_factory=dict)  # step policy -> when it last added
    _scaled_in_at: float = -math.inf
    _is_new: bool = True  # nothing was decided since the registration

    def observe(self, point: Point, capacity: int, is_updating: bool = False) -> Change | None:
        """What the policies do about one more period; None when nothing.

        capacity: the instances that are wanted now, in service or not.
        is_updating: the endpoint is Updating, so no policy can do anything; the period counts for later.
        The greatest capacity that a policy asks for wins. Scaling in needs every target tracking policy.
        """
        self._points.append(point)
        self._since_out += 1
        if is_updating:
            return None
        change = self._bounds(point, capacity) or self._scale_out(point, capacity)
        self._is_new = False
        if change is not None:
            self._since_out = 0 if change.after > capacity else self._since_out
            return change
        return self._scale_in(point, capacity)

    def _bounds(self, point: Point, capacity: int) -> Change | None:
        """Registering moves the capacity into them. What is set by hand later stays until a policy acts.

        Source: ECS developer guide, "Automatically scale your Amazon ECS service": counts below the minimum.
        """
        bounded = self._bounded(capacity)
        if bounded == capacity or not self._is_new:
            return None
        bounds = f"{self.scaling.min_capacity} to {self.scaling.max_capacity}"
        return Change(point.at_s, capacity, bounded, "bounds", f"the capacity may be {bounds}")

    def _scale_out(self, point: Point, capacity: int) -> Change | None:
        wishes = [
            *(self._step(policy, point, capacity) for policy in self.scaling.steps),
            *(self._track_out(policy, point, capacity) for policy in self.scaling.target_tracking),
        ]
        change = max(wishes, key=lambda wish: wish.after, default=None)
        if change is None or change.after <= capacity:
            return None
        if change.policy in {policy.name for policy in self.scaling.steps}:
            self._stepped_at[change.policy] = point.at_s
        return change

    def _step(self, policy: StepScaling, point: Point, capacity: int) -> Change:
        recent = list(self._points)[-policy.evaluation_periods :]
        breaching = sum(each.has_backlog_without_capacity >= policy.threshold for each in recent)
        is_cool = point.at_s - self._stepped_at.get(policy.name, -math.inf) >= policy.cooldown_s
        is_alarmed = breaching >= policy.datapoints_to_alarm
        wanted = self._bounded(capacity + policy.adjustment) if is_alarmed and is_cool else capacity
        reason = f"{point.backlog:g} jobs and no instance in {breaching} of {len(recent)} periods"
        return Change(point.at_s, capacity, wanted, policy.name, reason)

    def _track_out(self, policy: TargetTracking, point: Point, capacity: int) -> Change:
        recent = list(self._points)[-POINTS_OUT:]
        is_over = len(recent) == POINTS_OUT and all(
            each.backlog_per_instance > policy.target for each in recent
        )
        wanted = self._bounded(math.ceil(point.backlog / policy.target)) if is_over else capacity
        reason = f"{point.backlog_per_instance:g} jobs per instance, over {policy.target:g}"
        return Change(point.at_s, capacity, wanted, policy.name, f"{reason} for {POINTS_OUT} periods")

    def _scale_in(self, point: Point, capacity: int) -> Change | None:
        if capacity == 0 or not self.scaling.target_tracking:
            return None
        wishes = [self._track_in(policy, point, capacity) for policy in self.scaling.target_tracking]
        change = max(wishes, key=lambda wish: wish.after)
        if change.after >= capacity:
            return None
        self._scaled_in_at = point.at_s
        return change

    def _track_in(self, policy: TargetTracking, point: Point, capacity: int) -> Change:
        below = SCALE_IN_BELOW * policy.target
        recent = list(self._points)[-POINTS_IN:]
        is_under = self._since_out >= POINTS_IN and all(each.backlog_per_instance < below for each in recent)
        is_cool = point.at_s - self._scaled_in_at >= policy.scale_in_cooldown_s
        wanted = self._bounded(math.ceil(point.backlog / policy.target)) if is_under and is_cool else capacity
        reason = f"{point.backlog_per_instance:g} jobs per instance, under {below:g}"
        return Change(point.at_s, capacity, wanted, policy.name, f"{reason} for {POINTS_IN} periods")

    def _bounded(self, capacity: int) -> int:
        return max(self.scaling.min_capacity, min(self.scaling.max_capacity, capacity))
