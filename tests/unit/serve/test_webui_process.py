from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from serve import webui_process
from serve.webui_process import STUCK, WebuiProcess, describe_exit
from tests.unit.serve.fakes import until
from webui_async.contract.settings import ServeSettings


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Held:
    """A real process whose end a driver keeps from being seen, until `release`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(["sleep", "600"], stdout=subprocess.PIPE, start_new_session=True)
        self.pid, self.stdout = self._process.pid, self._process.stdout
        self._released = threading.Event()

    def wait(self) -> int:
        self._released.wait()
        return self._process.wait()

    def release(self) -> None:
        self._process.kill()
        self._process.wait()
        self._released.set()


@pytest.fixture
def held() -> Iterator[Held]:
    held = Held()
    yield held
    held.release()


def test_an_exit_is_told_with_its_usual_cause() -> None:
    assert "host memory" in describe_exit(-9)
    assert describe_exit(-11) == "was ended by signal 11" and describe_exit(3) == "exited with code 3"
    assert "device driver" in describe_exit(STUCK) and "replace the instance" in describe_exit(STUCK)


def test_an_engine_that_sigkill_does_not_end_is_given_up_and_holds_nobody(
    held: Held, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        process = WebuiProcess(cast("subprocess.Popen[bytes]", held))
        await asyncio.wait_for(process.kill(patience_s=0.01), 5)
        assert not process.is_alive and await process.wait() == STUCK
        await asyncio.wait_for(process.stop(), 5)
        held.release()  # it ends at last: nobody is told a second time
        await asyncio.sleep(0.05)
        assert await process.wait() == STUCK

    caplog.set_level(logging.ERROR)
    asyncio.run(scenario())
    (line,) = [record.getMessage() for record in caplog.records]
    assert f"process {held.pid}, does not end, not even by SIGKILL" in line


def test_the_engine_can_never_gain_rights(tmp_path: Path) -> None:
    async def scenario() -> None:
        settings = ServeSettings(
            "art",
            "ink",
            engine_command="grep NoNewPrivs /proc/self/status",
            data_dir=str(tmp_path / "data"),
            engine_port=free_port(),
            engine_uid=0,
        )
        process = webui_process.start(settings, {"PATH": "/usr/bin:/bin"})
        assert await process.wait() == 0
        await until(lambda: process.last_line == "NoNewPrivs:\t1")

    asyncio.run(scenario())
