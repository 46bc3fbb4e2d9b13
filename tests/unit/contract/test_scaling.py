"""The rules of scaling: what the policies do about a row of periods."""

from __future__ import annotations

import dataclasses

import pytest

from webui_async.contract.scaling import (
    PERIOD_S,
    POINTS_IN,
    POINTS_OUT,
    Change,
    Point,
    Scaler,
    Scaling,
    StepScaling,
    TargetTracking,
)

BACKLOG = TargetTracking("backlog", target=8)
FROM_ZERO = StepScaling("from-zero")
BOTH = Scaling(0, 4, (BACKLOG,), (FROM_ZERO,))


class Endpoint:
    """A variant that takes up every capacity at once, period by period."""

    def __init__(self, scaling: Scaling, instances: int = 0):
        self.scaler = Scaler(scaling)
        self.capacity = self.instances = instances
        self.minute = 0

    def wait(self, backlog: float, periods: int = 1, is_updating: bool = False) -> list[Change]:
        """The changes of as many periods with that backlog."""
        changes = []
        for _ in range(periods):
            self.minute += 1
            point = Point(self.minute * PERIOD_S, backlog, self.instances)
            if change := self.scaler.observe(point, self.capacity, is_updating):
                changes.append(change)
                self.capacity = self.instances = change.after
        return changes


def capacities(changes: list[Change]) -> list[tuple[int, int]]:
    return [(change.before, change.after) for change in changes]


def test_the_step_policy_leaves_zero_after_two_periods_with_a_backlog() -> None:
    endpoint = Endpoint(BOTH)
    assert endpoint.wait(3) == []
    (change,) = endpoint.wait(3)
    assert change == Change(120, 0, 1, "from-zero", "3 jobs and no instance in 2 of 2 periods")


def test_a_backlog_that_goes_away_in_between_leaves_zero_alone() -> None:
    endpoint = Endpoint(BOTH)
    for _ in range(5):
        assert endpoint.wait(3) + endpoint.wait(0) == []


def test_datapoints_to_alarm_may_be_fewer_than_the_periods_looked_at() -> None:
    endpoint = Endpoint(Scaling(0, 4, steps=(StepScaling("from-zero", 3, 2),)))
    assert capacities(endpoint.wait(1) + endpoint.wait(0) + endpoint.wait(1)) == [(0, 1)]


@pytest.mark.parametrize("backlog", [1, 7, 8])
def test_without_the_step_policy_a_backlog_up_to_the_target_never_leaves_zero(backlog: float) -> None:
    assert Endpoint(Scaling(0, 4, (BACKLOG,))).wait(backlog, 1000) == []


def test_a_backlog_over_the_target_leaves_zero_by_target_tracking() -> None:
    endpoint = Endpoint(Scaling(0, 4, (BACKLOG,)))
    assert endpoint.wait(9, POINTS_OUT - 1) == []
    assert endpoint.wait(9) == [Change(180, 0, 2, "backlog", "9 jobs per instance, over 8 for 3 periods")]


@pytest.mark.parametrize(("backlog", "after"), [(9, 2), (16, 2), (17, 3), (32, 4), (1000, 4)])
def test_scaling_out_is_in_proportion_to_the_backlog_and_bounded(backlog: float, after: int) -> None:
    endpoint = Endpoint(BOTH, instances=1)
    assert capacities(endpoint.wait(backlog, POINTS_OUT)) == [(1, after)]


def test_a_single_period_at_the_target_puts_scaling_out_off() -> None:
    endpoint = Endpoint(BOTH, instances=1)
    assert endpoint.wait(20, 2) + endpoint.wait(8) + endpoint.wait(20, 2) == []
    assert capacities(endpoint.wait(20)) == [(1, 3)]


def test_scaling_out_does_not_wait_for_a_cooldown() -> None:
    endpoint = Endpoint(BOTH, instances=1)
    endpoint.wait(16, POINTS_OUT)
    assert capacities(endpoint.wait(30, POINTS_OUT)) == [(2, 4)]


def test_the_step_policy_waits_for_its_cooldown() -> None:
    endpoint = Endpoint(BOTH)
    assert capacities(endpoint.wait(1, 2)) == [(0, 1)]
    endpoint.instances = 0  # the instance is lost, and the backlog stays
    assert endpoint.wait(1, 4) == []
    (change,) = endpoint.wait(1)
    assert (change.at_s, change.before, change.after) == (420, 1, 2)


def test_the_greatest_wish_wins() -> None:
    endpoint = Endpoint(
        Scaling(0, 9, (BACKLOG,), (StepScaling("slow", 3, 3), StepScaling("three", 3, 3, 1, 3)))
    )
    (change,) = endpoint.wait(17, 3)
    assert (change.after, change.policy) == (3, "three")
    endpoint = Endpoint(Scaling(0, 9, (BACKLOG,), (StepScaling("slow", 3, 3),)))
    (change,) = endpoint.wait(17, 3)
    assert (change.after, change.policy) == (3, "backlog")


def test_scaling_in_takes_15_periods_under_nine_tenths_of_the_target() -> None:
    endpoint = Endpoint(BOTH, instances=2)
    assert endpoint.wait(0, POINTS_IN - 1) == []
    (change,) = endpoint.wait(0)
    assert change == Change(900, 2, 0, "backlog", "0 jobs per instance, under 7.2 for 15 periods")


def test_at_nine_tenths_of_the_target_nothing_scales_in() -> None:
    endpoint = Endpoint(BOTH, instances=2)
    assert endpoint.wait(14.4, 100) == []
    assert capacities(endpoint.wait(8, POINTS_IN)) == [(2, 1)]


def test_one_period_over_it_begins_the_count_anew() -> None:
    endpoint = Endpoint(BOTH, instances=1)
    assert endpoint.wait(0, POINTS_IN - 1) + endpoint.wait(8) + endpoint.wait(0, POINTS_IN - 1) == []
    assert capacities(endpoint.wait(0)) == [(1, 0)]


def test_periods_before_the_last_scale_out_do_not_count_for_scaling_in() -> None:
    endpoint = Endpoint(BOTH)
    endpoint.wait(0, 100)
    assert capacities(endpoint.wait(1, 2)) == [(0, 1)]
    assert endpoint.wait(0, POINTS_IN - 1) == []
    assert capacities(endpoint.wait(0)) == [(1, 0)]


def test_scaling_in_again_waits_for_its_cooldown() -> None:
    endpoint = Endpoint(BOTH, instances=4)
    assert capacities(endpoint.wait(20, POINTS_IN)) == [(4, 3)]
    assert endpoint.wait(10, 9) == []
    assert capacities(endpoint.wait(10)) == [(3, 2)]


def test_scaling_in_needs_every_target_tracking_policy() -> None:
    stricter = TargetTracking("stricter", target=2)
    endpoint = Endpoint(Scaling(0, 4, (BACKLOG, stricter)), instances=2)
    assert endpoint.wait(4, 100) == []
    assert capacities(endpoint.wait(1, POINTS_IN)) == [(2, 1)]


def test_without_target_tracking_nothing_scales_in() -> None:
    assert Endpoint(Scaling(0, 4, steps=(FROM_ZERO,)), instances=2).wait(0, 1000) == []


@pytest.mark.parametrize(("instances", "after"), [(0, 1), (5, 3)])
def test_registering_moves_a_capacity_into_the_bounds(instances: int, after: int) -> None:
    endpoint = Endpoint(Scaling(1, 3), instances)
    assert endpoint.wait(0) == [Change(60, instances, after, "bounds", "the capacity may be 1 to 3")]


def test_registering_moves_the_capacity_once_the_endpoint_is_not_updating_any_more() -> None:
    endpoint = Endpoint(Scaling(1, 3))
    assert endpoint.wait(0, 5, is_updating=True) == []
    assert capacities(endpoint.wait(0)) == [(0, 1)]


def test_a_capacity_that_is_set_below_the_bounds_later_stays_until_a_policy_scales_out() -> None:
    endpoint = Endpoint(dataclasses.replace(BOTH, min_capacity=2), instances=2)
    endpoint.wait(0)
    endpoint.capacity = endpoint.instances = 0
    assert endpoint.wait(0, 100) == []
    assert capacities(endpoint.wait(1, 2)) == [(0, 2)]


def test_scaling_in_stops_at_the_lower_bound() -> None:
    endpoint = Endpoint(dataclasses.replace(BOTH, min_capacity=1), instances=3)
    assert capacities(endpoint.wait(0, 200)) == [(3, 1)]


def test_while_the_endpoint_is_updating_nothing_changes_and_the_periods_count() -> None:
    endpoint = Endpoint(BOTH, instances=1)
    assert endpoint.wait(20, POINTS_OUT, is_updating=True) == []
    assert capacities(endpoint.wait(20)) == [(1, 3)]


def test_an_endpoint_without_policies_keeps_its_capacity() -> None:
    assert Endpoint(Scaling(0, 4), instances=2).wait(100, 100) == []
