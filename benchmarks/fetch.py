"""A model of 2 GB from the bucket, verified, against a bare parallel download of the same bytes.

Bare: as many parallel ranged GETs through the same client into a file of the same kind, and nothing else.
Both in turn, from one server in a process of its own. The goal is for bytes that come over a network, at 10
Gbit/s: the most that a ml.g5.xlarge has. From this machine's own memory they come faster than any one core
makes a sha256 of them; that is told for the record.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from botocore.config import Config

from benchmarks.byte_server import ETAG, open_server
from benchmarks.figures import Figure
from serve.fetch import Fetcher
from webui_async.contract.settings import ServeSettings
from webui_async.store import Store

SIZE_BYTES = 2_000_000_000
NETWORK_BYTES_PER_S = 1.25e9
ROUNDS = 3
KEY = "models/Stable-diffusion/large.safetensors"


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        sha256 = make_source(source)
        for name, bytes_per_s, goal in (
            ("at_10_gbit", NETWORK_BYTES_PER_S, 0.85),
            ("from_memory", 0.0, None),
        ):
            with open_server(source, sha256, bytes_per_s) as url:
                bench = Bench(url, Path(folder, "fetched"))
                bare_s, fetch_s = bench.rounds()
            yield Figure(f"fetch.{name}.bare", bare_s, "s")
            yield Figure(f"fetch.{name}.verified", fetch_s, "s")
            yield Figure(f"fetch.{name}.speed_of_bare", bare_s / fetch_s, "", goal, at_least=True)


def make_source(path: Path) -> str:
    """A file of random bytes, read once so that it is in memory, and its sha256."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(SIZE_BYTES // 1_000_000):
            block = os.urandom(1_000_000)
            digest.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())  # or the disk would be busy with it during the first round
    return digest.hexdigest()


class Bench:
    """Downloads of one object, one after the other."""

    def __init__(self, url: str, folder: Path):
        self.settings = ServeSettings("art", "ink", fetched_dir=str(folder))
        s3 = boto3.client(
            "s3",
            "eu-central-1",
            endpoint_url=url,
            aws_access_key_id="bench",
            aws_secret_access_key="bench",
            config=Config(max_pool_connections=self.settings.fetch_parts),
        )
        self.store, self.path = Store(s3, "art"), folder / "large.safetensors"
        folder.mkdir(exist_ok=True)

    def rounds(self) -> tuple[float, float]:
        """Median seconds of the bare download and of the fetch, done in turn."""
        times = [(self.timed(self.bare), self.timed(self.fetch)) for _ in range(ROUNDS)]
        bare, fetch = zip(*times, strict=True)
        return statistics.median(bare), statistics.median(fetch)

    def timed(self, work: Callable[[], None]) -> float:
        """Seconds; the file is removed afterwards."""
        began = time.perf_counter()
        work()
        took_s = time.perf_counter() - began
        self.path.unlink()
        return took_s

    def fetch(self) -> None:
        """What the container does."""
        Fetcher(self.store, self.settings).fetch(KEY, self.path, threading.Event())

    def bare(self) -> None:
        """The same GETs and writes."""
        step = self.settings.fetch_part_bytes
        with (
            self.path.open("w+b", buffering=0) as file,
            ThreadPoolExecutor(self.settings.fetch_parts) as pool,
        ):
            os.posix_fallocate(file.fileno(), 0, SIZE_BYTES)

            def read(start: int) -> None:
                end = min(start + step, SIZE_BYTES)
                for chunk in self.store.read_range(KEY, ETAG, start, end):
                    os.pwrite(file.fileno(), chunk, start)
                    start += len(chunk)

            for done in pool.map(read, range(0, SIZE_BYTES, step)):
                assert done is None
