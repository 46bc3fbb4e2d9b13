"""The simulator: how fast it is, and how near to the local stack.

The stack has real containers, its autoscaler's clock runs SPEED times as fast, and its engine takes a while
to start, as one on AWS does. The simulator is told the cold start and the overheads that were measured there
beforehand, and the trace; nothing else.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, percentile
from benchmarks.scaled_stack import DRAWING_S, Observed, Timings, open_scaled_stack
from webui_async.contract.scaling import PERIOD_S, Scaling, StepScaling, TargetTracking
from webui_async.simulate.endpoint import Endpoint
from webui_async.simulate.run import simulate
from webui_async.simulate.summary import summarize
from webui_async.simulate.traffic import Arrival, RatePoint, chosen_from, draw_arrivals

SEED = 20261120
JOBS_A_DAY, DAY_S = 100_000, 86_400.0
SCALING = Scaling(0, 2, (TargetTracking("backlog", 8.0),), (StepScaling("from-zero"),))
#: A trace begins in the middle of a period: nothing of it depends on which of two comes first.
FIRST_PERIOD_S = PERIOD_S / 2


def run() -> Iterator[Figure]:
    yield from speed_of_a_day()
    yield from against_the_local_stack()


def speed_of_a_day() -> Iterator[Figure]:
    """A day's arrivals drawn, simulated and summed up."""
    rng = random.Random(SEED)
    rate = JOBS_A_DAY / DAY_S
    curve = [RatePoint(0, 0), RatePoint(DAY_S / 2, 2 * rate), RatePoint(DAY_S, 0)]
    scaling = Scaling(0, 20, SCALING.target_tracking, SCALING.steps)
    began = time.perf_counter()
    arrivals = draw_arrivals(curve, chosen_from([3.0, 6.0, 12.0], rng), rng)
    summary = summarize(simulate(arrivals, Endpoint(scaling, cold_start_s=300.0)))
    seconds = time.perf_counter() - began
    yield Figure("simulation.day_jobs", summary.jobs, "jobs", 0.99 * JOBS_A_DAY, at_least=True)
    yield Figure("simulation.day_most_instances", summary.most_instances, "")
    yield Figure("simulation.day_of_100000_jobs", seconds, "s", 10.0)


def against_the_local_stack() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, open_scaled_stack(Path(folder), SCALING) as stack:
        timings = stack.measure()
        yield Figure("simulation.cold_start", timings.cold_start_s, "s")
        yield Figure("simulation.pickup", timings.pickup_s, "s")
        yield Figure("simulation.overhead", timings.overhead_s, "s")
        for name, arrivals in TRACES.items():
            yield from compare(name, arrivals, timings, stack.play(name, arrivals, FIRST_PERIOD_S))


def compare(name: str, arrivals: list[Arrival], timings: Timings, local: Observed) -> Iterator[Figure]:
    """Each value of both sides, and by what share the simulator is off."""
    endpoint = Endpoint(
        SCALING,
        timings.cold_start_s,
        pickup_s=timings.pickup_s,
        overhead_s=timings.overhead_s,
        first_period_s=FIRST_PERIOD_S,
    )
    result = simulate(arrivals, endpoint)
    waits_s = [job.wait_s for job in result.drawn]
    for what, simulated, seen in (
        ("wait_p50", percentile(waits_s, 50), percentile(local.waits_s, 50)),
        ("wait_p95", percentile(waits_s, 95), percentile(local.waits_s, 95)),
        ("instance_seconds", result.instance_seconds, local.instance_seconds),
    ):
        yield Figure(f"simulation.{name}.{what}_local", seen, "s")
        yield Figure(f"simulation.{name}.{what}_simulated", simulated, "s")
        yield Figure(f"simulation.{name}.{what}_off_by", abs(simulated / seen - 1), "", 0.10)


def evenly(count: int, begin_s: float, end_s: float) -> list[Arrival]:
    """So many jobs, evenly over a time."""
    step_s = (end_s - begin_s) / count
    return [Arrival(begin_s + number * step_s, DRAWING_S) for number in range(count)]


TRACES = {
    "burst": evenly(48, 40, 160),
    "steady": evenly(80, 10, 1410),
    "two_bursts": [*evenly(24, 40, 100), *evenly(24, 2140, 2200)],
}
