"""The simulation, held against small cases that were worked out by hand."""

from __future__ import annotations

import random

import pytest

from webui_async.contract.scaling import PERIOD_S, Scaling, StepScaling, TargetTracking
from webui_async.simulate.endpoint import Endpoint
from webui_async.simulate.result import Result
from webui_async.simulate.run import simulate
from webui_async.simulate.traffic import Arrival, RatePoint, chosen_from, draw_arrivals


def scaling(fewest: int, most: int, target: float = 8.0, steps: int = 1) -> Scaling:
    return Scaling(fewest, most, (TargetTracking("backlog", target),), (StepScaling("from-zero"),) * steps)


def starts(result: Result) -> list[float | None]:
    return [job.started_s for job in result.jobs]


def test_a_single_job_wakes_an_endpoint_at_zero_and_the_idle_tail_is_billed() -> None:
    endpoint = Endpoint(scaling(0, 2), cold_start_s=100, pickup_s=2)
    result = simulate([Arrival(10, 6)], endpoint)
    # Two periods with a backlog and no instance end at 60 and 120; the instance takes jobs 100 s later.
    assert [(change.at_s, change.before, change.after, change.policy) for change in result.changes] == [
        (120, 0, 1, "from-zero"),
        (1020, 1, 0, "backlog"),
    ]
    (job,) = result.jobs
    assert (job.started_s, job.ended_s) == (222, 228)
    assert (job.wait_s, job.total_s) == (212, 218)
    # Fifteen periods below the target: 120 to 1020.
    assert (result.instance_seconds, result.busy_seconds, result.end_s) == (900, 6, 1020)
    assert result.idle_share == pytest.approx(1 - 6 / 900)
    (life,) = result.instances
    assert (life.launched_s, life.in_service_s, life.stopped_s) == (120, 220, 1020)


def test_the_phase_of_the_metrics_moves_the_alarm() -> None:
    endpoint = Endpoint(scaling(0, 2), cold_start_s=100, first_period_s=5)
    assert starts(simulate([Arrival(10, 6)], endpoint)) == [225]  # 65 and 125


def test_jobs_go_to_the_least_busy_instance_one_drawing_at_a_time() -> None:
    endpoint = Endpoint(scaling(2, 2), cold_start_s=0)
    result = simulate([Arrival(0, 10), Arrival(0, 4), Arrival(0, 10), Arrival(0, 4)], endpoint)
    assert starts(result) == [0, 0, 10, 4]


def test_pickup_overlaps_with_a_drawing_and_overhead_does_not() -> None:
    endpoint = Endpoint(scaling(1, 1), cold_start_s=0, pickup_s=2, overhead_s=1)
    result = simulate([Arrival(0, 10), Arrival(0, 10), Arrival(22.5, 10), Arrival(50, 10)], endpoint)
    assert starts(result) == [2, 13, 24.5, 52]


@pytest.mark.parametrize(("max_jobs", "expected"), [(1, [0, 280, 1000]), (8, [0, 1000, 2000])])
def test_what_is_in_hand_stays_and_what_is_queued_goes_to_the_new_instance(
    max_jobs: int, expected: list[float]
) -> None:
    endpoint = Endpoint(scaling(1, 2, target=1), cold_start_s=100, max_jobs=max_jobs)
    result = simulate([Arrival(0, 1000)] * 3, endpoint)
    # Three periods over the target end at 180; the second instance is there at 280.
    assert starts(result) == expected


def test_a_retired_instance_gives_its_job_back_and_the_job_is_drawn_again() -> None:
    endpoint = Endpoint(scaling(1, 2, target=1), cold_start_s=20, max_jobs=1, redraw_delay_s=10)
    result = simulate([Arrival(0, 2500), Arrival(0, 1800), Arrival(0, 2000)], endpoint)
    # The second instance draws from 200 on, the third job from 2000 on. The first is free at 2500, so fifteen
    # periods with half a job per instance end at 3360, and the newest goes.
    assert starts(result) == [0, 200, 3370]
    assert [job.drawings_lost for job in result.jobs] == [0, 0, 1]
    assert result.jobs[2].ended_s == 5370
    assert result.busy_seconds == 2500 + 1800 + 1360 + 2000
    assert [(life.launched_s, life.stopped_s) for life in result.instances] == [(0, 5400), (180, 3360)]


def test_an_endpoint_that_still_starts_an_instance_is_neither_given_another_nor_scaled_in() -> None:
    endpoint = Endpoint(scaling(0, 4), cold_start_s=2000, ttl_s=600)
    result = simulate([Arrival(10, 6)] * 40, endpoint)
    # Forty jobs for no instance would make four at 180; all are over at 610. The instance comes at 2120.
    assert [(change.at_s, change.after) for change in result.changes] == [(120, 1), (2160, 0)]
    assert result.instance_seconds == 2040 and result.busy_seconds == 0


def test_an_instance_that_never_comes_into_service_is_billed_until_the_end() -> None:
    endpoint = Endpoint(Scaling(0, 1, (), (StepScaling("from-zero"),)), cold_start_s=5000, ttl_s=600)
    (life,) = simulate([Arrival(10, 6)], endpoint).instances
    assert (life.launched_s, life.in_service_s, life.stopped_s) == (120, None, 660)


def test_without_the_step_policy_a_small_backlog_stays_at_zero_and_expires() -> None:
    result = simulate([Arrival(10, 6)] * 3, Endpoint(scaling(0, 2, steps=0), cold_start_s=100, ttl_s=600))
    assert result.changes == [] and result.instance_seconds == 0
    assert [(job.started_s, job.ended_s) for job in result.jobs] == [(None, 660)] * 3
    assert result.drawn == []


def test_a_job_that_is_over_its_time_is_not_drawn_when_an_instance_comes() -> None:
    endpoint = Endpoint(scaling(0, 1), cold_start_s=100, ttl_s=125)
    result = simulate([Arrival(10, 6), Arrival(110, 6)], endpoint)
    assert starts(result) == [None, 220]  # the first one's time is up at 135


def test_an_endpoint_without_target_tracking_is_left_as_it_is() -> None:
    endpoint = Endpoint(Scaling(0, 1, (), (StepScaling("from-zero"),)), cold_start_s=10)
    result = simulate([Arrival(10, 6)], endpoint)
    assert (result.end_s, result.instance_seconds) == (180, 60)


def test_without_jobs_the_fewest_instances_are_billed_until_the_given_time() -> None:
    result = simulate([], Endpoint(scaling(2, 3), cold_start_s=10), until_s=600)
    assert (result.instance_seconds, result.busy_seconds, result.idle_share) == (1200, 0, 1)


def test_backlog_and_instances_over_time_are_running_totals() -> None:
    result = simulate(
        [Arrival(10, 6), Arrival(10, 6), Arrival(20, 6)], Endpoint(scaling(0, 1), cold_start_s=100)
    )
    assert result.backlog() == [(10, 2), (20, 3), (226, 2), (232, 1), (238, 0)]
    assert result.billed_instances() == [(120, 1), (1020, 0)]
    assert result.serving_instances() == [(220, 1), (1020, 0)]


def traffic(seed: int) -> tuple[list[Arrival], Endpoint]:
    """Bursts and lulls that make an endpoint go out, in and back to zero, under settings by chance."""
    rng = random.Random(seed)
    curve = [RatePoint(at_s, rng.choice([0, 0, 0.02, 0.1, 0.5])) for at_s in range(0, 20_000, 1000)]
    arrivals = draw_arrivals(curve, chosen_from([0.5, 6, 20, 200], rng), rng)
    fewest = rng.choice([0, 0, 1])
    endpoint = Endpoint(
        scaling(fewest, fewest + rng.randint(1, 5), target=rng.choice([1, 4, 8])),
        cold_start_s=rng.choice([0, 90, 400]),
        max_jobs=rng.choice([1, 4, 8]),
        pickup_s=rng.choice([0, 1]),
        overhead_s=rng.choice([0, 0.5]),
        ttl_s=rng.choice([600, 21_600]),
        first_period_s=rng.uniform(1, PERIOD_S),
    )
    return arrivals, endpoint


def test_the_same_arguments_give_the_same_result() -> None:
    one, other = (simulate(*traffic(7)) for _ in range(2))
    assert starts(one) == starts(other)
    assert (one.changes, one.instances, one.points) == (other.changes, other.instances, other.points)


@pytest.mark.parametrize("seed", range(25))
def test_every_job_ends_once_and_no_instance_works_more_than_it_is_there(seed: int) -> None:
    arrivals, endpoint = traffic(seed)
    result = simulate(arrivals, endpoint)
    assert len(result.jobs) == len(arrivals)
    for job in result.jobs:
        assert job.ended_s is not None and job.arrival_s < job.ended_s <= result.end_s
        if job.started_s is not None:
            assert job.started_s >= job.arrival_s
            assert job.ended_s == pytest.approx(job.started_s + job.drawing_s)
    for life in result.instances:
        assert life.busy_s <= life.billed_s + 1e-6
        if life.in_service_s is not None and life.launched_s > 0:
            assert life.in_service_s - life.launched_s == pytest.approx(endpoint.cold_start_s)
    drawn_s = sum(job.drawing_s for job in result.drawn)
    lost_s = result.busy_seconds - drawn_s
    assert lost_s >= -1e-6 and (lost_s > 1e-6) == any(job.drawings_lost for job in result.jobs)


@pytest.mark.parametrize("seed", range(25))
def test_instances_stay_within_the_bounds_and_draw_one_at_a_time_each(seed: int) -> None:
    arrivals, endpoint = traffic(seed)
    result = simulate(arrivals, endpoint)
    counts = [count for _, count in result.billed_instances()[:-1]]  # at the end all are stopped
    assert max(counts, default=0) <= endpoint.scaling.max_capacity
    assert min(counts, default=0) >= endpoint.scaling.min_capacity
    steps = sorted(
        (at_s, step) for job in result.drawn for at_s, step in ((job.started_s, 1), (job.ended_s, -1))
    )
    serving = [*result.serving_instances(), (result.end_s, 0)]
    drawing = 0
    for at_s, step in steps:
        drawing += step
        in_service = max((count for time_s, count in serving if time_s <= at_s), default=0)
        assert drawing <= in_service


def test_the_traffic_of_these_tests_loses_drawings_expires_jobs_and_leaves_zero() -> None:
    results = [simulate(*traffic(seed)) for seed in range(25)]
    assert any(job.drawings_lost for result in results for job in result.jobs)
    assert any(not job.is_drawn for result in results for job in result.jobs)
    assert any(change.before == 0 for result in results for change in result.changes)
