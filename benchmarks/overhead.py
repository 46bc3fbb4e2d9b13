"""The road's own share: from POST sent to callback received, less the engine's own start to end."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, percentile
from benchmarks.road import BenchRoad, open_road

JOBS = 50
DRAWING_S = 0.2


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, open_road(Path(folder), DRAWING_S) as road:
        rows = [one_job(road, number) for number in range(JOBS)]
    for station in rows[0]:
        goals = {"total": (0.35, 0.8)}.get(station, (None, None))
        values = [row[station] for row in rows]
        for percent, goal in zip((50, 95), goals, strict=True):
            yield Figure(f"overhead.{station}_p{percent}", percentile(values, percent), "s", goal)


def one_job(road: BenchRoad, number: int) -> dict[str, float]:
    """Seconds of each station of one job, and their total without the drawing."""
    sent = time.time()
    job = road.submit(f"job {number}")
    answered = time.time()
    (received,) = road.callbacks(1)
    drawing = road.drawing(f"job {number}")
    result = road.stack.store.result(job.id)
    assert result is not None
    return {
        "post_answered": answered - sent,
        "drawing_begun": drawing.start - sent,
        "result_made": result.ended_at - drawing.end,
        "called_back": received.at - drawing.end,
        "total": received.at - sent - (drawing.end - drawing.start),
    }
