"""1,000 jobs under faults: every event doubled and shuffled, engine and container killed at random.

Each job must end once and its owner be told once. Memory of serve and of the functions must stay flat.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from benchmarks.figures import Figure
from benchmarks.mirror import double_events
from benchmarks.road import RATES, BenchRoad, open_road
from webui_async.contract import keys
from webui_async.local.stack import ENDPOINT

JOBS, CLIENTS = 1000, 8
DRAWING_S = 0.05
SEED = 20261120
#: Endings after which memory is looked at.
FIRST_LOOK, LAST_LOOK = 200, JOBS
ENGINE_KILL_S, REAP_S = 20.0, 15.0
CONTAINER_KILLS = (40, 90, 150, 300, 450, 600, 750, 900)  #: after so many endings
TIME_LIMIT_S = 2400.0


def run() -> Iterator[Figure]:
    print(f"storm: seed {SEED}, clients {[SEED + n for n in range(CLIENTS)]}", flush=True)
    with tempfile.TemporaryDirectory() as folder, open_road(Path(folder), DRAWING_S, RATES) as road:
        storm = Storm(road, CONTAINER_KILLS)
        storm.blow()
        yield from storm.endings("storm")
        yield from storm.functions_memory()
    # A serve that was killed has no memory to compare: once more, with only its engine killed.
    with tempfile.TemporaryDirectory() as folder, open_road(Path(folder), DRAWING_S, RATES) as road:
        storm = Storm(road, ())
        storm.blow()
        yield from storm.endings("storm.serve_left_alone")
        yield from storm.serve_memory()


class Storm:
    """The jobs, the faults and what came of them."""

    def __init__(self, road: BenchRoad, container_kills: Sequence[int]):
        self.road, self.container_kills = road, container_kills
        self.told: Counter[str] = Counter()
        self.posted: list[str] = []
        self.kills: Counter[str] = Counter()
        self.memory: dict[int, dict[int, int]] = {}
        self.serve_rss: dict[int, tuple[int, int]] = {}  #: endings -> pid, bytes
        self.over = threading.Event()
        self.seconds = 0.0

    def blow(self) -> None:
        """Post all jobs and take callbacks until each was told of, or the time is up."""
        began = time.monotonic()
        threads = [threading.Thread(target=self._post, args=(SEED + n,)) for n in range(CLIENTS)]
        threads += [
            threading.Thread(target=each) for each in (self._kill_engines, self._keep_reaping, self._mirror)
        ]
        for thread in threads:
            thread.start()
        try:
            while len(self.told) < JOBS and time.monotonic() - began < TIME_LIMIT_S:
                self._take_callback()
            self.seconds = time.monotonic() - began
            for _ in range(5):  # late doubles would come now
                self._take_callback()
        finally:
            self.over.set()
            for thread in threads:
                thread.join()

    def endings(self, name: str) -> Iterator[Figure]:
        """What must hold, and for the record what was done."""
        endings = self.road.endings()
        twice = sum(count > 1 for count in (*endings.values(), *self.told.values()))
        left = sum(1 for _ in self.road.stack.store.list(keys.ACTIVE))
        yield Figure(f"{name}.jobs_ended_of_1000", len(endings), "jobs", JOBS, at_least=True)
        yield Figure(f"{name}.jobs_told_of_1000", len(self.told), "jobs", JOBS, at_least=True)
        yield Figure(f"{name}.jobs_ended_or_told_twice", twice, "jobs", 0)
        yield Figure(f"{name}.jobs_left_active", left, "jobs", 0)
        for what, count in sorted(self.kills.items()):
            yield Figure(f"{name}.{what}", count, "")
        yield Figure(f"{name}.seconds", self.seconds, "s")

    def functions_memory(self) -> Iterator[Figure]:
        """The worst process of a function that was there at both looks; each function has at least one."""
        first, last = self.memory.get(FIRST_LOOK, {}), self.memory.get(LAST_LOOK, {})
        lasting = first.keys() & last.keys()
        functions = self.road.stack.cloud.deployed.functions
        seen = sum(bool(lasting & {*self.road.stack.cloud.function_pids(name)}) for name in functions)
        yield Figure("storm.functions_looked_at", seen, "", len(functions), at_least=True)
        ratio = max((last[pid] / first[pid] for pid in lasting), default=float("nan"))
        yield Figure("storm.functions_rss_1000_over_200", ratio, "x", 1.1)

    def serve_memory(self) -> Iterator[Figure]:
        """One serve process, after ending 200 and after ending 1,000."""
        (first_pid, first), (last_pid, last) = self.serve_rss[FIRST_LOOK], self.serve_rss[LAST_LOOK]
        assert first_pid == last_pid, "serve was replaced, though nobody killed it"
        yield Figure("storm.serve_rss_1000_over_200", last / first, "x", 1.1)

    def _post(self, seed: int) -> None:
        rng = random.Random(seed)
        with self.road.stack.client() as client:
            for number in range(JOBS // CLIENTS):
                payload = {
                    "prompt": f"{seed} {number}",
                    "seed": rng.randrange(2**31),
                    "steps": 1,
                    "width": 64,
                    "height": 64,
                }
                key = f"{seed}-{number}"
                job = client.submit(
                    "txt2img", payload, callback_url=self.road.receiver.url, idempotency_key=key
                )
                self.posted.append(job.id)
                self.over.wait(rng.uniform(0, 2))

    def _take_callback(self) -> None:
        received = self.road.receiver.next(1.0)
        if received is None:
            return
        if received.is_genuine:
            self.told[received.body["data"]["id"]] += 1
        count = len(self.told)
        if count in (FIRST_LOOK, LAST_LOOK) and count not in self.memory:
            self._look_at_memory(count)
        if count in self.container_kills and self.kills["containers_killed"] <= self.container_kills.index(
            count
        ):
            self._kill(self._serve(), "containers_killed")

    def _look_at_memory(self, count: int) -> None:
        names = self.road.stack.cloud.deployed.functions
        pids = [pid for name in names for pid in self.road.stack.cloud.function_pids(name)]
        self.memory[count] = {pid: psutil.Process(pid).memory_info().rss for pid in pids}
        if serve := self._serve():
            self.serve_rss[count] = serve, psutil.Process(serve).memory_info().rss

    def _serve(self) -> int | None:
        views = self.road.stack.hosting.instances(ENDPOINT)
        return next((view.pid for view in views if view.health.value == "in_service"), None)

    def _kill_engines(self) -> None:
        rng = random.Random(SEED)
        while not self.over.wait(rng.uniform(0.5, 1.5) * ENGINE_KILL_S):
            serve = self._serve()
            if serve is not None:
                self._kill(_engine_of(serve), "engines_killed")

    def _kill(self, pid: int | None, what: str) -> None:
        if pid is None:
            return
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # it has just ended by itself
            return
        self.kills[what] += 1

    def _keep_reaping(self) -> None:
        (schedule,) = self.road.stack.cloud.deployed.schedules
        while not self.over.wait(REAP_S):
            self.road.stack.cloud.run_schedule(schedule)

    def _mirror(self) -> None:
        self.kills["events_doubled"] = double_events(self.road.stack, random.Random(SEED), self.over)


def _engine_of(serve: int) -> int | None:
    """The engine's process: the child of serve that draws."""
    try:
        children = psutil.Process(serve).children(recursive=True)
    except psutil.NoSuchProcess:
        return None
    return next((child.pid for child in children if _is_engine(child)), None)


def _is_engine(process: psutil.Process) -> bool:
    try:
        return any("fixed_delay" in word for word in process.cmdline())
    except psutil.Error:
        return False
