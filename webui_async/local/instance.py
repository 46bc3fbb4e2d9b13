"""One instance of an endpoint: a serve process, watched through /ping as SageMaker does it."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from webui_async.local.tether import tethered

#: What an instance writes; the log stays when these go.
_SCRATCH = ("data", "tmp")
#: Of a log, in a message.
_LAST_LINES, _LINE_LENGTH = 3, 250


class Health(enum.Enum):
    """How an instance is."""

    STARTING = "starting"  #: no good /ping yet
    IN_SERVICE = "in_service"  #: takes invocations
    SUSPECT = "suspect"  #: dropped a connection: takes no invocation until its next good /ping
    STOPPING = "stopping"  #: takes none any more


@dataclass(frozen=True)
class Timing:
    """SageMaker's patience."""

    first_ping_s: float = 0.1  #: between two /ping until the first good one
    ping_s: float = 1.0  #: between two /ping afterwards
    ping_timeout_s: float = 2.0
    max_failed_pings: int = 5  #: in a row; then the instance is replaced
    stop_s: float = 30.0  #: from SIGTERM to SIGKILL
    max_restart_delay_s: float = 30.0  #: before another try, when instances do not come up


@dataclass(frozen=True)
class InstanceView:
    """One instance at this moment."""

    id: str
    pid: int | None  #: None until its process runs
    port: int
    health: Health
    in_flight: int
    said: str  #: what its last /ping answered
    log: Path


class Instance:
    """A process with its own ports and folder. It and all it started end together, as a container does."""

    def __init__(
        self,
        instance_id: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        port: int,
        startup_s: float,
        timing: Timing,
    ):
        self.id, self.folder, self.port = instance_id, folder, port
        self.log = folder / "log"
        self.health = Health.STARTING
        self.has_served = False  #: whether it ever came into service
        self.in_flight = 0
        self._said = ""
        self._command, self._environment = command, environment
        self._startup_s, self._timing = startup_s, timing
        self._retired = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_retired(self) -> bool:
        return self._retired.is_set()

    def view(self) -> InstanceView:
        pid = self._process.pid if self._process else None
        return InstanceView(self.id, pid, self.port, self.health, self.in_flight, self._said, self.log)

    def suspect(self) -> None:
        """Its process may be gone: what waits must not be given to it before that is known."""
        if self.health is Health.IN_SERVICE:
            self.health = Health.SUSPECT

    def retire(self) -> None:
        """It takes nothing more and stops."""
        self.health = Health.STOPPING
        self._retired.set()

    async def run(self, on_ready: Callable[[], None], delay_s: float = 0.0) -> str | None:
        """Live until retired (None), or until it must be replaced (why).

        delay_s: how long to wait before the process is started.
        """
        if delay_s:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._retired.wait(), delay_s)
        if self.is_retired:
            return None
        process = self._process = await self._start()
        ended = asyncio.create_task(process.wait())
        ended.add_done_callback(lambda _: self._leave_service())
        try:
            return await self._watch(process, ended, on_ready)
        finally:
            self._leave_service()
            await self._stop(process, ended)
            for name in _SCRATCH:
                await asyncio.to_thread(shutil.rmtree, self.folder / name, ignore_errors=True)

    async def _start(self) -> asyncio.subprocess.Process:
        for name in _SCRATCH:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *tethered(self._command),
                env=self._environment,
                cwd=self.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the stack, which then stops us in order
            )

    async def _watch(
        self,
        process: asyncio.subprocess.Process,
        ended: asyncio.Task[int],
        on_ready: Callable[[], None],
    ) -> str | None:
        deadline, failed = time.monotonic() + self._startup_s, 0
        retired = asyncio.create_task(self._retired.wait())
        try:
            async with httpx.AsyncClient(timeout=self._timing.ping_timeout_s, trust_env=False) as http:
                while not retired.done():
                    failed = 0 if await self._ping(http) else failed + 1
                    if ended.done():
                        return f"its process exited with code {process.returncode}; {last_words(self.log)}"
                    if failed == 0:
                        self._enter_service(on_ready)
                    if impatience := self._impatience(failed, deadline):
                        return f"{impatience}; {last_words(self.log)}"
                    pause_s = self._timing.ping_s if self.has_served else self._timing.first_ping_s
                    await asyncio.wait((ended, retired), timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
                return None
        finally:
            retired.cancel()

    def _enter_service(self, on_ready: Callable[[], None]) -> None:
        if self.health in (Health.STARTING, Health.SUSPECT):
            self.health, self.has_served = Health.IN_SERVICE, True
            on_ready()

    def _impatience(self, failed_pings: int, deadline: float) -> str | None:
        """Why SageMaker waits no longer; None while it does."""
        if not self.has_served and time.monotonic() > deadline:
            return f"no good /ping in its first {self._startup_s:g} s"
        if self.has_served and failed_pings >= self._timing.max_failed_pings:
            return f"{failed_pings} failed /ping in a row"
        return None

    async def _ping(self, http: httpx.AsyncClient) -> bool:
        try:
            answer = await http.get(f"{self.url}/ping")
        except httpx.HTTPError:
            return False
        self._said = answer.text[:200]
        return answer.status_code == 200

    async def _stop(self, process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
        if not ended.done():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await asyncio.wait((ended,), timeout=self._timing.stop_s)
        # Whatever it left behind goes with it, as everything in a container does.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await ended

    def _leave_service(self) -> None:
        self.health = Health.STOPPING


def last_words(log: Path) -> str:
    """Half a sentence on how the log ends."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    words = " | ".join(line[:_LINE_LENGTH] for line in lines[-_LAST_LINES:])
    said = f" ends with {words!r}" if lines else " is empty"
    return f"its log {log}{said}"
