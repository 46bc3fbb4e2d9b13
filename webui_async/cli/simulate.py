"""`webui-async simulate`: what traffic comes to under a scaling policy, before an endpoint is paid for."""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from webui_async.contract.errors import InvalidOption
from webui_async.contract.scaling import Scaling, StepScaling, TargetTracking
from webui_async.contract.settings import ServeSettings
from webui_async.simulate import traffic
from webui_async.simulate.endpoint import Endpoint
from webui_async.simulate.run import simulate
from webui_async.simulate.summary import lines, summarize
from webui_async.simulate.traffic import Arrival, DrawingTimes

_MOST_S = 86_400.0
_MOST_INSTANCES = 1000


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`simulate` is among the commands."""
    text = "waits, GPU hours and cost of a traffic under a scaling policy, without AWS"
    command = commands.add_parser("simulate", help=text, description=text)
    command.set_defaults(run=_simulate)
    _add_traffic(command)
    _add_endpoint(command)
    command.add_argument("--usd-per-hour", type=float, metavar="USD", help="price of one instance hour")
    command.add_argument(
        "--pictures-per-job", type=int, default=1, metavar="N", help="for the cost (default: %(default)s)"
    )
    command.add_argument(
        "--plot", type=Path, metavar="OUT.png", help="write a picture of queue and instances"
    )
    command.add_argument("--json", action="store_true", help="print the numbers as JSON")


def _add_traffic(command: argparse.ArgumentParser) -> None:
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--trace", type=Path, metavar="FILE", help="CSV of jobs: arrival_s[,drawing_s]")
    source.add_argument(
        "--rate",
        type=Path,
        metavar="FILE",
        help="CSV of a rate curve, straight between its lines: at_s,jobs_per_s",
    )
    times = command.add_mutually_exclusive_group()
    times.add_argument("--drawing", type=float, metavar="S", help="seconds that every drawing takes")
    times.add_argument(
        "--drawings",
        type=Path,
        metavar="FILE",
        help="CSV of measured drawing times to choose from: drawing_s",
    )
    command.add_argument(
        "--seed", type=int, default=0, help="of all that is left to chance (default: %(default)s)"
    )


def _add_endpoint(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--cold-start", type=float, required=True, metavar="S",
        help="seconds from the decision to have an instance until it draws",
    )  # fmt: skip
    command.add_argument("--max", type=int, required=True, metavar="N", help="instances at most")
    command.add_argument(
        "--min", type=int, default=0, metavar="N", help="instances at least (default: %(default)s)"
    )
    command.add_argument(
        "--max-jobs", type=int, default=ServeSettings.max_jobs, metavar="K",
        help="jobs in hand of one instance, MaxConcurrentInvocationsPerInstance (default: %(default)s)",
    )  # fmt: skip
    command.add_argument(
        "--target", type=float, metavar="JOBS",
        help="backlog per instance that target tracking aims at, in jobs (default: --max-jobs)",
    )  # fmt: skip
    command.add_argument(
        "--overhead", type=float, default=0.0, metavar="S",
        help="seconds between two drawings of an instance (default: %(default)g)",
    )  # fmt: skip
    command.add_argument(
        "--pickup", type=float, default=0.0, metavar="S",
        help="seconds from a job's being given to an instance until it can be drawn (default: %(default)g)",
    )  # fmt: skip


def _simulate(options: argparse.Namespace) -> int:
    _check(options)
    arrivals, until_s = _traffic(options)
    result = simulate(arrivals, _endpoint(options), until_s)
    summary = summarize(result, options.pictures_per_job, options.usd_per_hour)
    if options.plot:
        from webui_async.simulate.plot import save_plot

        save_plot(result, options.plot, _title(options, summary.jobs))
    print(json.dumps(summary.to_json(), indent=1) if options.json else "\n".join(lines(summary)))
    return 0


def _check(options: argparse.Namespace) -> None:
    for name, least, most, unit in (
        ("cold_start", 0, _MOST_S, " seconds"),
        ("overhead", 0, _MOST_S, " seconds"),
        ("pickup", 0, _MOST_S, " seconds"),
        ("drawing", 0, _MOST_S, " seconds"),
        ("min", 0, _MOST_INSTANCES, ""),
        ("max", 0, _MOST_INSTANCES, ""),
        ("max_jobs", 1, 1000, ""),
        ("usd_per_hour", 0, 1e6, " USD"),
        ("pictures_per_job", 1, 1e6, ""),
    ):
        value = getattr(options, name)
        if value is not None and not least <= value <= most:
            raise InvalidOption(_flag(name), value, f"it must be from {least} to {most:g}{unit}")
    if options.min > options.max:
        raise InvalidOption("--min", options.min, f"it must not be more than --max, which is {options.max}")
    if options.target is not None and not 0 < options.target <= 1e6:
        raise InvalidOption("--target", options.target, "it must be more than 0 jobs, and at most 1e+06")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _traffic(options: argparse.Namespace) -> tuple[list[Arrival], float]:
    """The arrivals, and until when they are."""
    rng = random.Random(options.seed)
    times = _drawing_times(options, rng)
    if options.trace:
        return traffic.read_trace(options.trace, times), 0.0
    if times is None:
        raise InvalidOption("--drawing", None, "a rate curve needs it, or --drawings FILE")
    curve = traffic.read_rates(options.rate)
    return traffic.draw_arrivals(curve, times, rng), curve[-1].at_s


def _drawing_times(options: argparse.Namespace, rng: random.Random) -> DrawingTimes | None:
    if options.drawings:
        return traffic.chosen_from(traffic.read_drawings(options.drawings), rng)
    return None if options.drawing is None else traffic.constant(options.drawing)


def _endpoint(options: argparse.Namespace) -> Endpoint:
    target = options.max_jobs if options.target is None else options.target
    scaling = Scaling(
        options.min,
        options.max,
        (TargetTracking("backlog", target),),
        (StepScaling("from-zero"),),
    )
    return Endpoint(scaling, options.cold_start, options.max_jobs, options.pickup, options.overhead)


def _title(options: argparse.Namespace, jobs: int) -> str:
    source = options.trace or options.rate
    target = options.max_jobs if options.target is None else options.target
    return (
        f"{jobs} jobs of {source.name[:40]}: {options.min} to {options.max} instances, target {target:g}, "
        f"{options.max_jobs} in hand, cold start {options.cold_start:g} s"
    )
