"""One container to measure: `python -m serve` and the fixed-delay engine, fed as SageMaker feeds it."""

from __future__ import annotations

import http.client
import json
import struct
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from benchmarks import engine_log
from benchmarks.bucket import Bucket, open_bucket
from benchmarks.engine_log import Drawing
from tests.e2e.serve.harness import Container, new_job
from webui_async.contract.job import Job
from webui_async.contract.settings import ServeSettings

K = ServeSettings.max_jobs
PAYLOAD = {"seed": 1, "steps": 1, "width": 512, "height": 512}
_ANSWER_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Invoked:
    """One invocation and its answer, seconds since 1970."""

    job: Job
    sent: float
    answered: float


@dataclass(frozen=True)
class BenchContainer:
    """What a bench holds in its hands."""

    container: Container
    bucket: Bucket

    def accept(self, prompts: Sequence[str], checkpoints: Sequence[str | None] | None = None) -> list[Job]:
        """A job in the bucket for each prompt, with its checkpoint."""
        named = zip(prompts, checkpoints or [None] * len(prompts), strict=True)
        with ThreadPoolExecutor(K) as pool:
            return list(pool.map(lambda pair: self.container.accept(_job(*pair)), named))

    def feed(self, jobs: Sequence[Job], in_hand: int = K) -> list[Invoked]:
        """All answers. The next job is invoked as soon as one is answered, so `in_hand` always are.

        Raises RuntimeError for an answer that is not 200.
        """
        waiting: SimpleQueue[Job] = SimpleQueue()
        for job in jobs:
            waiting.put(job)
        with ThreadPoolExecutor(in_hand) as pool:
            parts = list(pool.map(lambda _: self._invoke_all(waiting), range(in_hand)))
        return sorted((invoked for part in parts for invoked in part), key=lambda invoked: invoked.sent)

    def drawings(self) -> dict[str, Drawing]:
        """prompt -> its drawing, by the engine's own log."""
        return engine_log.drawings(self.container.data_dir / "engine.log")

    def _invoke_all(self, waiting: SimpleQueue[Job]) -> list[Invoked]:
        done = []
        connection = http.client.HTTPConnection("127.0.0.1", self.container.port, timeout=_ANSWER_TIMEOUT_S)
        try:
            while True:
                done.append(_invoke(connection, waiting.get_nowait()))
        except Empty:
            return done
        finally:
            connection.close()


@contextmanager
def open_container(
    flags: str,
    checkpoints: Sequence[str] = ("ink",),
    latency_s: float = 0.0,
    module: str = "serve",
    **settings: object,
) -> Iterator[BenchContainer]:
    """A container that draws.

    flags: the engine's; latency_s: by which the bucket is late; module: what is run for `serve`;
    settings: over those of production.
    """
    production = {name: getattr(ServeSettings, name) for name in ("heartbeat_s", "watch_s", "progress_s")}
    with tempfile.TemporaryDirectory() as name, open_bucket(Path(name), latency_s) as bucket:
        place = Path(name)
        make_pack(place / "pack", checkpoints)
        given = production | {"model_dir": place / "pack"} | settings
        container = Container(place, bucket.url, engine_log.ENGINE.name, flags, module=module, **given)
        try:
            yield BenchContainer(container.wait_ready(), bucket)
        finally:
            container.close()


def make_pack(folder: Path, checkpoints: Sequence[str]) -> None:
    """A model pack of the smallest files that are whole: one number each."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (folder / "Stable-diffusion").mkdir(parents=True)
    for name in checkpoints:
        data = struct.pack("<Q", len(header)) + header + bytes(4)
        (folder / "Stable-diffusion" / f"{name}.safetensors").write_bytes(data)


def _job(prompt: str, checkpoint: str | None) -> Job:
    chosen = {"override_settings": {"sd_model_checkpoint": checkpoint}} if checkpoint else {}
    return new_job(PAYLOAD | {"prompt": prompt} | chosen)


def _invoke(connection: http.client.HTTPConnection, job: Job) -> Invoked:
    headers = {
        "X-Amzn-SageMaker-Inference-Id": job.id,
        "X-Amzn-SageMaker-Custom-Attributes": "attempt=1",
        "Content-Type": "application/json",
    }
    body = json.dumps(job.to_json()).encode()
    sent = time.time()
    connection.request("POST", "/invocations", body, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"job {job.id} was answered with {answer.status}: {text[:300]!r}")
    return Invoked(job, sent, time.time())
