"""The engine is killed 20 times while 100 jobs are drawn: each must end once, and its owner be told once."""

from __future__ import annotations

import itertools
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import engine_log
from benchmarks.figures import Figure
from benchmarks.road import RATES, BenchRoad, open_road

JOBS, KILLS, CLIENTS = 100, 20, 4
DRAWING_S = 0.3
SEED = 20261120
#: Drawings begun between two kills. After one, the killed one is drawn again and may be killed again: then
#: the job ends as failed, as it should.
DRAWINGS_BETWEEN = (1, 6)
TIME_LIMIT_S = 150.0


def run() -> Iterator[Figure]:
    print(f"engine_kills: seed {SEED}", flush=True)
    with tempfile.TemporaryDirectory() as folder, open_road(Path(folder), DRAWING_S, RATES) as road:
        over = threading.Event()
        with ThreadPoolExecutor(1) as killers, ThreadPoolExecutor(CLIENTS) as clients:
            killing = killers.submit(kill_engines, road, over)
            try:
                jobs = clients.map(lambda number: road.submit(f"job {number}").id, range(JOBS))
                told = take_callbacks(road)
            finally:
                over.set()
            posted, killed = {*jobs}, killing.result()
        ended = road.endings()
        yield Figure("engine_kills.kills", killed, "", KILLS, at_least=True)
        yield Figure("engine_kills.jobs_lost", len(posted - (ended.keys() & told.keys())), "jobs", 0)
        twice = sum(count > 1 for count in (*ended.values(), *told.values()))
        yield Figure("engine_kills.jobs_ended_or_told_twice", twice, "jobs", 0)
        yield Figure("engine_kills.jobs_ended_of_100", len(ended), "jobs", JOBS, at_least=True)
        yield Figure("engine_kills.jobs_succeeded", succeeded(road, posted), "jobs")
        started = sum(1 for _ in engine_log.events(road.engine_log, "start"))
        yield Figure("engine_kills.drawings_begun", started, "")


def kill_engines(road: BenchRoad, over: threading.Event) -> int:
    """How many were killed, each while it drew."""
    rng, seen = random.Random(SEED), 0
    for killed in range(KILLS):
        seen += rng.randint(*DRAWINGS_BETWEEN)
        while not _kill_while_drawing(road, seen, rng):
            if over.wait(0.01):
                return killed
        seen = sum(1 for _ in engine_log.events(road.engine_log, "start"))
    return KILLS


def take_callbacks(road: BenchRoad) -> Counter[str]:
    """job_id -> how often its owner was told of its ending. Returns when all were, or the time is up."""
    told: Counter[str] = Counter()
    ends = time.monotonic() + TIME_LIMIT_S
    while len(told) < JOBS and time.monotonic() < ends:
        told.update(_callback(road))
    for _ in range(3):  # late doubles would come now
        told.update(_callback(road))
    return told


def succeeded(road: BenchRoad, job_ids: set[str]) -> int:
    results = map(road.stack.store.result, job_ids)
    return sum(result is not None and result.status.value == "succeeded" for result in results)


def _kill_while_drawing(road: BenchRoad, number: int, rng: random.Random) -> bool:
    """Whether drawing `number` has begun, and its engine is dead now."""
    begun = next(itertools.islice(engine_log.events(road.engine_log, "start"), number - 1, None), None)
    if begun is None:
        return False
    time.sleep(rng.uniform(0, DRAWING_S))
    try:
        os.kill(begun["pid"], signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _callback(road: BenchRoad) -> list[str]:
    received = road.receiver.next(1.0)
    return [received.body["data"]["id"]] if received is not None and received.is_genuine else []
