"""The engine as an operating system process: started with little, watched, and stopped for certain."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from serve import launch, leftovers
from serve.data_dir import engine_uid
from webui_async.contract.errors import EngineBroken
from webui_async.contract.settings import ServeSettings

logger = logging.getLogger(__name__)

#: A busy webui finishes its drawing after SIGTERM, however long that takes; SIGINT on top ends it at once.
STOP_SIGNALS = ((signal.SIGTERM, 1.5), (signal.SIGINT, 1.5), (signal.SIGKILL, 5.0))
#: In place of an exit code: it does not end, not even by SIGKILL. A device driver can hold a process so.
STUCK = 1000
_KILL_PATIENCE_S = 10.0
_TAIL_BYTES = 8192
_TAIL_LINES = 20
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_LIBC = ctypes.CDLL(None)


class WebuiProcess:
    """One run of the engine. Start it with `start()`."""

    def __init__(self, process: subprocess.Popen[bytes], uid: int | None = None):
        """uid: the engine's own user; None when it runs as ourselves."""
        self._process, self._uid = process, uid
        self.started = time.monotonic()
        self._exit: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._tail = b""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._keep_tail, args=(process.stdout,), daemon=True).start()
        threading.Thread(target=self._await_exit, args=(loop,), daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether anybody counts on it: one that is STUCK has been given up."""
        return not self._exit.done()

    @property
    def last_lines(self) -> str:
        """What the engine printed last, at most 20 lines."""
        return "\n".join(self._tail.decode("utf-8", "replace").splitlines()[-_TAIL_LINES:])

    @property
    def last_line(self) -> str:
        """The last thing that the engine printed; of a traceback or a usage, the reason."""
        return next((line for line in reversed(self.last_lines.splitlines()) if line.strip()), "nothing")

    @property
    def rss_bytes(self) -> int:
        """The memory that the engine holds now; 0 when it has ended."""
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        except OSError:
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    async def wait(self) -> int:
        """The exit code, once there is one; minus the signal's number when a signal ended it; or STUCK."""
        return await asyncio.shield(self._exit)

    async def ends_within(self, patience_s: float) -> bool:
        """Whether it has ended, by then at the latest."""
        await asyncio.wait({self._exit}, timeout=patience_s)
        return not self.is_alive

    async def stop(self) -> None:
        """The engine has ended or is STUCK. So has all it started, at least when it has a user of its own.

        Without one, what has left the engine's process group cannot be told from other people's processes.
        """
        for number, patience_s in STOP_SIGNALS:
            if self.is_alive:
                self._signal(number)
                await self.ends_within(patience_s)
        self._give_up()
        if self._uid is not None:
            await leftovers.end_all_of(self._uid)

    async def kill(self, patience_s: float = _KILL_PATIENCE_S) -> None:
        """The engine has ended, without being asked, or is STUCK: then the next one takes its place."""
        self._signal(signal.SIGKILL)
        await self.ends_within(patience_s)
        self._give_up()

    def _give_up(self) -> None:
        """Nobody waits any longer for an engine that SIGKILL did not end."""
        if self.is_alive:
            logger.error("the engine, process %d, %s", self.pid, describe_exit(STUCK))
            self._settle(STUCK)

    def _settle(self, code: int) -> None:
        if not self._exit.done():
            self._exit.set_result(code)

    def _signal(self, number: signal.Signals) -> None:
        """To the whole process group, which is the engine's own: `start_new_session`."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass

    def _await_exit(self, loop: asyncio.AbstractEventLoop) -> None:
        code = self._process.wait()
        self._signal(signal.SIGKILL)  # what it started must not outlive it
        try:
            loop.call_soon_threadsafe(self._settle, code)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more

    def _keep_tail(self, output: IO[bytes]) -> None:
        while chunk := os.read(output.fileno(), 4096):
            self._tail = (self._tail + chunk)[-_TAIL_BYTES:]
        output.close()


def start(settings: ServeSettings, environment: Mapping[str, str]) -> WebuiProcess:
    """The engine, just started: nothing listens yet. Must be called in the main thread, see `_bind`.

    Raises EngineBroken when it cannot be started at all, SettingsError when its command cannot be read.
    """
    _check_port(settings.engine_port)
    words, uid, parent = launch.command(settings), engine_uid(settings), os.getpid()
    launch.prepare_data_dir(settings)
    try:
        process = subprocess.Popen(
            words,
            cwd=settings.data_dir,
            env=launch.engine_environment(settings, environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
            preexec_fn=lambda: _bind(parent),
        )
    except (OSError, subprocess.SubprocessError) as error:
        who = "" if uid is None else f" as uid {uid}"
        raise EngineBroken(f"the engine {words[0]!r} cannot be started{who}: {error}") from error
    return WebuiProcess(process, uid)


def describe_exit(code: int) -> str:
    """`code` in words, with the usual cause."""
    if code == STUCK:
        return (
            "does not end, not even by SIGKILL: its device driver is the usual cause; "
            "replace the instance if no other engine starts on it"
        )
    if code == -signal.SIGKILL:
        return "was killed (signal 9): host memory is the usual cause"
    if code < 0:
        return f"was ended by signal {-code}"
    return f"exited with code {code}"


def _check_port(port: int) -> None:
    """Raises EngineBroken when somebody listens there: we would take them for the engine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise EngineBroken(
                f"port {port} of the engine is taken ({error.strerror}); "
                "set WEBUI_ASYNC_ENGINE_PORT to a free one"
            ) from error


def _bind(parent: int) -> None:
    """Have the kernel kill this child when we end, even by kill -9, and never give it more rights than now.

    Runs in the child after it has changed its user, which would clear the first. The kernel takes the thread
    that forked for the parent, hence the main thread.
    """
    nothing = ctypes.c_ulong(0)
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), nothing, nothing, nothing) != 0:
        raise OSError("the kernel does not take PR_SET_NO_NEW_PRIVS")
    if os.getppid() != parent:
        os._exit(1)
