"""A running stack for the benches, with the engine that draws in a fixed time and keeps its own log."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from webui_async.client import Client, JobView
from webui_async.local.receiver import Received, Receiver
from webui_async.local.stack import Options, Stack

ENGINE = Path(__file__).resolve().parents[1] / "tests" / "faulty_webui" / "fixed_delay.py"
PAYLOAD = {"seed": 1, "steps": 1, "width": 64, "height": 64}


@dataclass(frozen=True)
class Drawing:
    """When the engine began and ended one drawing, by its own log."""

    start: float
    end: float


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
        entries = [json.loads(line) for line in self.engine_log.read_text().splitlines()]
        at = {entry["event"]: entry["at"] for entry in entries if entry["prompt"] == prompt}
        return Drawing(at["start"], at["end"])


@contextmanager
def open_road(
    folder: Path, drawing_s: float, parameters: Mapping[str, str] | None = None
) -> Iterator[BenchRoad]:
    """A stack in service. It writes below `folder` only."""
    log = folder / "drawings.jsonl"
    command = shlex.join([sys.executable, str(ENGINE), "--delay", str(drawing_s), "--log", str(log)])
    command += " --port {port} --data-dir {data_dir} --ckpt-dir {model_dir}/Stable-diffusion"
    with Receiver() as receiver:
        given = {"CallbackAllowHosts": receiver.host} | dict(parameters or {})
        options = Options(folder / "stack", engine_command=command, parameters=given)
        with Stack(options) as stack, stack.client() as client:
            receiver.secrets = [stack.callback_secret()]
            stack.wait_ready()
            yield BenchRoad(stack, client, receiver, log)
