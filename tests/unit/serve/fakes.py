"""A webui without a network, a process that is none, and a container around them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import struct
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import boto3

from serve.container import Container
from serve.engine import Engine
from serve.engine_http import HttpAnswer
from serve.model_tree import ModelTree
from serve.on_demand import OnDemand
from serve.scheduler import Scheduler
from serve.supervisor import Running, Supervisor
from serve.turns import Turns
from serve.webui_process import WebuiProcess
from webui_async.contract import keys
from webui_async.contract.errors import EngineBroken
from webui_async.contract.job import Attempt, Job
from webui_async.contract.payload import Kind
from webui_async.contract.settings import ServeSettings
from webui_async.store import Store

NOW = 1_800_000_000.0
BUCKET = "art"
PAYLOAD = {"prompt": "a red boat", "seed": 7, "steps": 4, "width": 64, "height": 64}
CATALOG: Mapping[str, Any] = {
    "sd-models": [{"title": "ink.safetensors [0123456789]", "model_name": "ink", "hash": "0123456789"}],
    "samplers": [{"name": "Euler"}],
}


def png(width: int = 64, height: int = 64) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compress((b"\0" + b"\0\0\0" * width) * height)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def reply(count: int = 1, **info: Any) -> dict[str, Any]:
    """The webui's answer to txt2img."""
    told = {"all_seeds": list(range(7, 7 + count)), "index_of_first_image": 0, "sd_model_name": "ink"} | info
    return {"images": [b64encode(png()).decode()] * count, "parameters": {}, "info": json.dumps(told)}


def answered(document: Any, status: int = 200) -> HttpAnswer:
    """An engine's answer of JSON."""
    return HttpAnswer("POST /sdapi/v1/txt2img", status, "application/json", json.dumps(document).encode())


Answer = HttpAnswer | Exception | Callable[[], Exception]


@dataclass
class FakeWebui:
    """Draws when `gate` is open; an interrupt opens it for the drawing that has begun."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    answers: list[Answer] = field(default_factory=list)  #: for the next drawings
    drawings: list[dict[str, Any]] = field(default_factory=list)
    options: list[dict[str, Any]] = field(default_factory=list)
    interrupts: int = 0
    interrupts_lost: int = 0  #: so many are forgotten, as those before a drawing begins
    is_interrupted: bool = False
    step: int = 0
    stands_still: bool = False

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None, timeout_s: float | None
    ) -> HttpAnswer:
        route = path.partition("?")[0].removeprefix("/sdapi/v1/")
        if route == "progress":
            return answered(self._progress())
        if route == "options":
            self.options.append(dict(body or {}))
            return answered(None)
        if route == "interrupt":
            self.interrupts += 1
            if self.interrupts > self.interrupts_lost:
                self.is_interrupted = True
                self.gate.set()
            return answered({})
        return await self._draw(dict(body or {}))

    async def _draw(self, body: dict[str, Any]) -> HttpAnswer:
        self.drawings.append(body)
        self.is_interrupted = False
        await self.gate.wait()
        answer = self.answers.pop(0) if self.answers else answered(reply())
        if callable(answer):
            answer = answer()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _progress(self) -> dict[str, Any]:
        self.step += not self.stands_still
        state = {"sampling_step": self.step, "job_no": 0, "interrupted": self.is_interrupted}
        return {"progress": min(1.0, self.step / 100), "eta_relative": 1.5, "state": state}


class FakeProcess:
    """A process that ends when told to."""

    started = 0.0
    last_lines = ""

    def __init__(self) -> None:
        self._exit: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def is_alive(self) -> bool:
        return not self._exit.done()

    def end(self, code: int) -> None:
        if self.is_alive:
            self._exit.set_result(code)

    async def wait(self) -> int:
        return await asyncio.shield(self._exit)

    async def ends_within(self, patience_s: float) -> bool:
        await asyncio.wait({self._exit}, timeout=0.01)
        return not self.is_alive

    async def kill(self) -> None:
        self.end(-9)


class FakeSupervisor:
    """Has an engine ready, and a new process as soon as one has ended."""

    def __init__(self, webui: FakeWebui):
        self.engine, self.process = Engine(webui), FakeProcess()
        self.starts = 1
        self.broken: EngineBroken | None = None
        self.recycled: list[str] = []  #: the reasons

    async def ready(self) -> Running:
        if self.broken is not None:
            raise self.broken
        if not self.process.is_alive:
            self.process, self.starts = FakeProcess(), self.starts + 1
        return Running(cast(WebuiProcess, self.process), self.engine, CATALOG)

    async def up_to_date(self) -> Running:
        return await self.ready()

    @property
    def loaded_checkpoint(self) -> str | None:
        return self.engine.loaded

    def recycle(self, engine: Engine, reason: str) -> None:
        self.recycled.append(reason)
        self.process.end(0)

    def recycle_if_worn(self) -> None:
        pass

    @contextlib.contextmanager
    def drawing(self) -> Iterator[None]:
        yield

    async def interrupt(self) -> None:
        await self.engine.interrupt()


class FakeOnDemand:
    """Has nothing that the engine has not."""

    def extended(self, catalog: Mapping[str, Any]) -> Mapping[str, Any]:
        return catalog

    async def find(self, names: object, catalog: object, prompts: object) -> list[Any]:
        return []

    @contextlib.asynccontextmanager
    async def holding(self, models: object, check: object, check_s: float) -> AsyncIterator[None]:
        yield


@dataclass
class World:
    """A container and what stands around it. Make it inside a running loop and moto's mock."""

    container: Container
    webui: FakeWebui
    supervisor: FakeSupervisor

    @property
    def store(self) -> Store:
        return self.container.store

    def accept(self, payload: Mapping[str, Any] = PAYLOAD, attempts: int = 1, **fields: Any) -> Job:
        """A job as submit leaves it."""
        job = new_job(payload, **fields)
        self.store.put_json(keys.request(job.id), job.to_json())
        for number in range(1, attempts + 1):
            self.store.put_json(keys.queued(job.id, number), Attempt(number, NOW).to_json())
        return job


def make_world(now: Callable[[], float] = lambda: NOW, **settings: Any) -> World:
    """The engine draws at once, unless the test closes `webui.gate`."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    quick = {"watch_s": 0.02, "progress_s": 0.01, "heartbeat_s": 0.02, "shutdown_s": 1.0, "instance": "here"}
    webui = FakeWebui()
    webui.gate.set()
    supervisor = FakeSupervisor(webui)
    serve_settings = ServeSettings(BUCKET, "ink", **(quick | settings))
    container = Container(
        serve_settings,
        Store(s3, BUCKET),
        cast(Supervisor, supervisor),
        Scheduler(8),
        Turns(lambda: supervisor.loaded_checkpoint, 8, 0.02),
        ModelTree(serve_settings),
        cast(OnDemand, FakeOnDemand()),
        now,
    )
    return World(container, webui, supervisor)


def new_job(payload: Mapping[str, Any] = PAYLOAD, **fields: Any) -> Job:
    return Job(
        **{
            "id": keys.new_job_id(NOW, secrets.token_bytes(10)),
            "kind": Kind.TXT2IMG,
            "payload": dict(payload),
            "owner": "ann",
            "endpoint": "ink",
            "created_at": NOW - 5,
            "expires_at": NOW + 600,
        }
        | fields
    )


async def until(what: Callable[[], Any]) -> None:
    """Returns as soon as `what` holds; a test that waits for nothing fails."""
    async with asyncio.timeout(5):
        while not what():
            await asyncio.sleep(0.005)
