"""What serve adds to one drawing, and how quick /ping stays, with the webui's usual 848 kB answer.

What serve adds is measured around its process: from POST /invocations to its whole answer, beside the drawing
by the engine's own log, less what boto3's calls took of that (serve runs with each of them logged), less what
the same POST takes beside its drawing when it goes straight to the engine.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import recorded_reply, traced_serve
from benchmarks.container import PAYLOAD, BenchContainer, open_container
from benchmarks.figures import Figure, percentile
from webui_async.contract import keys

JOBS, WARM_UPS, DRAWING_S = 100, 10, 0.1
PINGS, PING_EVERY_S = 2000, 0.005


@dataclass(frozen=True)
class Span:
    """From one moment to another, seconds since 1970."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began


def run() -> Iterator[Figure]:
    with open_replying(DRAWING_S) as bench:
        yield from one_at_a_time(bench)
    with open_replying(2 * DRAWING_S) as bench:
        yield from pings(bench)


@contextmanager
def open_replying(drawing_s: float, latency_s: float = 0.0) -> Iterator[BenchContainer]:
    """A container whose engine always gives the recorded reply."""
    with tempfile.TemporaryDirectory() as folder:
        reply = Path(folder) / "reply.json"
        recorded_reply.write(reply)
        flags = f"--delay {drawing_s} --reply {reply}"
        with open_container(flags, (recorded_reply.CHECKPOINT,), latency_s, traced_serve.__name__) as bench:
            yield bench


def one_at_a_time(bench: BenchContainer) -> Iterator[Figure]:
    """Milliseconds that one job takes beside its drawing, and whose they are."""
    jobs = bench.accept([f"job {number}" for number in range(WARM_UPS + JOBS)])
    # Turn and turn about, so that both meet the same machine.
    rounds = [(bench.feed([job], in_hand=1)[0], post_to_engine(bench, f"bare {job.id}")) for job in jobs]
    time.sleep(1.0)  # the last calls are written
    drawings, calls = bench.drawings(), read_calls(bench)
    beside, in_store, at_engine = [], [], []
    for invoked, posted in rounds[WARM_UPS:]:
        drawing = drawings[str(invoked.job.payload["prompt"])]
        before, after = Span(invoked.sent, drawing.start), Span(drawing.end, invoked.answered)
        beside.append(1000 * (before.seconds + after.seconds))
        in_store.append(1000 * (covered_s(before, calls) + covered_s(after, calls)))
        at_engine.append(1000 * (posted.seconds - drawings[f"bare {invoked.job.id}"].seconds))
    direct_ms = percentile(at_engine, 50)
    adds = [total - store - direct_ms for total, store in zip(beside, in_store, strict=True)]
    yield Figure("serve_overhead.beside_drawing_p50", percentile(beside, 50), "ms")
    yield Figure("serve_overhead.in_store_p50", percentile(in_store, 50), "ms")
    yield Figure("serve_overhead.straight_to_engine_beside_drawing_p50", direct_ms, "ms")
    yield Figure("serve_overhead.serve_adds_p50", percentile(adds, 50), "ms", 5.0)
    yield Figure("serve_overhead.serve_adds_p95", percentile(adds, 95), "ms")


def read_calls(bench: BenchContainer) -> list[Span]:
    """The calls to the store that an answer may have waited for: all but heartbeats."""
    lines = (bench.container.data_dir / traced_serve.LOG).read_text().splitlines()
    calls = [json.loads(line) for line in lines]
    return [Span(call["start"], call["end"]) for call in calls if not is_heartbeat(call["key"] or "")]


def is_heartbeat(key: str) -> bool:
    job_id = keys.job_id_of(key)
    return job_id is not None and key == keys.progress(job_id)


def post_to_engine(bench: BenchContainer, prompt: str) -> Span:
    """The drawing that serve asks for, asked for without serve."""
    connection = http.client.HTTPConnection("127.0.0.1", bench.container.engine_port, timeout=10)
    body = json.dumps(PAYLOAD | {"prompt": prompt})
    began = time.time()
    connection.request("POST", "/sdapi/v1/txt2img", body, {"Content-Type": "application/json"})
    connection.getresponse().read()
    connection.close()
    return Span(began, time.time())


def pings(bench: BenchContainer) -> Iterator[Figure]:
    """How /ping is answered while K jobs are in hand and one of them is drawn."""
    jobs = bench.accept([f"job {number}" for number in range(int(PINGS * PING_EVERY_S / DRAWING_S))])
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawned) as pool:
        pool.submit(os.getpid).result()  # the process is up
        polling = pool.submit(poll, bench.container.port)
        bench.feed(jobs)
        polled = polling.result()
    drawings = bench.drawings().values()
    began, ended = min(each.start for each in drawings), max(each.end for each in drawings)
    taken_ms = [1000 * took_s for at, took_s in polled if began < at < ended]
    yield Figure("serve_overhead.pings_with_8_in_hand", len(taken_ms), "")
    yield Figure("serve_overhead.ping_p50", percentile(taken_ms, 50), "ms")
    yield Figure("serve_overhead.ping_p99", percentile(taken_ms, 99), "ms", 50.0)
    yield Figure("serve_overhead.ping_max", max(taken_ms), "ms")


def poll(port: int) -> list[tuple[float, float]]:
    """When each /ping was sent, seconds since 1970, and the seconds to its answer."""
    polled = []
    for _ in range(PINGS):
        at, began = time.time(), time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/ping")
        answer = connection.getresponse()
        answer.read()
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"/ping was answered with {answer.status}")
        polled.append((at, time.perf_counter() - began))
        time.sleep(PING_EVERY_S)
    return polled


def covered_s(span: Span, calls: Sequence[Span]) -> float:
    """For how much of `span` at least one call was on its way."""
    seconds, until = 0.0, span.began
    for call in sorted(calls, key=lambda call: call.began):
        began, ended = max(call.began, until), min(call.ended, span.ended)
        seconds += max(0.0, ended - began)
        until = max(until, ended)
    return seconds
