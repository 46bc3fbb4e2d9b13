"""Runs the benches named on the command line, or all: prints a line a figure and writes results.json."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import (
    affinity,
    busy,
    demo,
    deploying,
    engine,
    engine_cuda,
    engine_kills,
    fetch,
    fidelity,
    functions,
    overhead,
    packing,
    pushing,
    serve_overhead,
    simulation,
    storm,
)
from benchmarks.figures import Figure

RESULTS = Path(__file__).with_name("results.json")
BENCHES: dict[str, Callable[[], Iterator[Figure]]] = {
    "functions": functions.run,
    "overhead": overhead.run,
    "fidelity": fidelity.run,
    "engine": engine.run,
    "engine_cuda": engine_cuda.run,  # no figures without a CUDA device
    "fetch": fetch.run,
    "pushing": pushing.run,
    "demo": demo.run,
    "deploying": deploying.run,
    "serve_overhead": serve_overhead.run,
    "busy": busy.run,
    "affinity": affinity.run,
    "engine_kills": engine_kills.run,
    "packing": packing.run,
    "simulation": simulation.run,
    "storm": storm.run,
}


def main(names: list[str]) -> int:
    """0 when every figure meets its goal."""
    if unknown := [name for name in names if name not in BENCHES]:
        print(f"no bench {unknown[0]!r}; there are {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    all_met = True
    for name in names or BENCHES:
        figures = []
        for figure in BENCHES[name]():
            print(figure.line, flush=True)
            figures.append(figure)
            all_met = all_met and figure.is_met
        _keep(name, figures)
    return 0 if all_met else 1


def _keep(name: str, figures: list[Figure]) -> None:
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    rows = [vars(figure) | {"ok": figure.is_met} for figure in figures]
    results[name] = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": platform.machine(),
        "figures": rows,
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
