"""How much of its time the engine draws, when every S3 request takes 100 ms and K jobs are in hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from benchmarks.figures import Figure, percentile
from benchmarks.serve_overhead import open_replying

JOBS, DRAWING_S, LATENCY_S = 100, 1.0, 0.1


def run() -> Iterator[Figure]:
    with open_replying(DRAWING_S, LATENCY_S) as bench:
        bench.feed(bench.accept([f"job {number}" for number in range(JOBS)]))
        drawings = sorted(bench.drawings().values(), key=lambda drawing: drawing.start)
    drawing_s = sum(drawing.seconds for drawing in drawings)
    pauses = [1000 * (after.start - before.end) for before, after in itertools.pairwise(drawings)]
    yield Figure("busy.drawings", len(drawings), "", JOBS, at_least=True)
    yield Figure("busy.pause_p50", percentile(pauses, 50), "ms")
    yield Figure("busy.pause_max", max(pauses), "ms")
    share = drawing_s / (drawings[-1].end - drawings[0].start)
    yield Figure("busy.drawing_share", 100 * share, "%", 97.0, at_least=True)
