"""A running stack for the benches, with the engine that draws in a fixed time and keeps its own log."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import engine_log
from benchmarks.engine_log import ENGINE, Drawing
from webui_async.client import Client, JobView
from webui_async.contract import keys
from webui_async.local.receiver import Received, Receiver
from webui_async.local.stack import Options, Stack

PAYLOAD = {"seed": 1, "steps": 1, "width": 64, "height": 64}
#: Parameters of the template: as many requests as a bench can make.
RATES = {
    "RateLimit": "1000",
    "BurstLimit": "1000",
    "TotalRateLimit": "1000",
    "TotalBurstLimit": "1000",
}


@dataclass
class BenchRoad:
    """What a bench holds in its hands."""

    stack: Stack
    client: Client
    receiver: Receiver
    engine_log: Path

    def submit(self, prompt: str) -> JobView:
        return self.client.submit("txt2img", PAYLOAD | {"prompt": prompt}, callback_url=self.receiver.url)

    def callbacks(self, count: int, timeout_s: float = 60.0) -> list[Received]:
        """The next `count` callbacks, fewer when they do not come in time."""
        arrived = (self.receiver.next(timeout_s) for _ in range(count))
        return [received for received in arrived if received is not None]

    def drawing(self, prompt: str) -> Drawing:
        """The one drawing of that prompt."""
        return engine_log.drawings(self.engine_log)[prompt]

    def endings(self) -> Counter[str]:
        """job_id -> the endings that the index has of it."""
        index = (keys.parse_index(entry.key) for entry in self.stack.store.list("index/"))
        return Counter(entry.job_id for entry in index if entry is not None and entry.status)


@contextmanager
def open_road(
    folder: Path, drawing_s: float, parameters: Mapping[str, str] | None = None
) -> Iterator[BenchRoad]:
    """A stack in service. It writes below `folder` only."""
    log = folder / "drawings.jsonl"
    command = shlex.join([sys.executable, str(ENGINE), "--delay", str(drawing_s), "--log", str(log)])
    command += " --port {port} --data-dir {data_dir}"
    with Receiver() as receiver:
        given = {"CallbackAllowHosts": receiver.host} | dict(parameters or {})
        options = Options(folder / "stack", engine_command=command, parameters=given)
        with Stack(options) as stack, stack.client() as client:
            receiver.secrets = [stack.callback_secret()]
            stack.wait_ready()
            yield BenchRoad(stack, client, receiver, log)
