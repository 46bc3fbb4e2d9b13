"""How a container ends, and what it leaves behind: nothing that runs, and no job unaccounted for."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.e2e.serve.harness import FAULTY, Container, new_job, wait_for
from webui_async.contract import keys

Start = Callable[..., Container]
SYSTEM_PYTHON = "/usr/bin/python3"
#: Nobody else's: what is left of it is killed when its engine ends.
UID = 40_000 + os.getpid() % 20_000


def test_sigterm_releases_every_job_in_hand_and_answers_503(start: Start) -> None:
    container = start("hangs.py", "--times 0").wait_ready()
    engine = container.engine_process()
    jobs = [container.accept(new_job()) for _ in range(3)]
    calls = [container.invoke(job, attempt=number) for number, job in enumerate(jobs, 1)]
    wait_for(lambda: all(container.store.progress(job.id) for job in jobs))
    direct = container.invoke_direct(jobs[0].payload)
    time.sleep(0.2)
    began = time.monotonic()
    assert container.stop() == 0
    assert time.monotonic() - began < 10
    for number, (job, call) in enumerate(zip(jobs, calls, strict=True), 1):
        files = container.store.files(job.id)
        assert files.has(keys.released(job.id, number)) and not files.has(keys.result(job.id))
        answer = call.answer()
        assert (answer.status_code, answer.json()["code"]) == (503, "container_stopping")
    assert direct.answer().status_code == 503
    assert not engine.is_running()


def test_sigterm_when_idle_ends_the_container_at_once(start: Start) -> None:
    container = start().wait_ready()
    engine = container.engine_process()
    began = time.monotonic()
    assert container.stop() == 0
    assert time.monotonic() - began < 3 and not engine.is_running()


def test_sigterm_while_starting_leaves_no_engine(start: Start) -> None:
    container = start("slow_start.py", "--start-delay 60")
    engine = container.engine_process()
    assert container.stop() == 0
    assert not engine.is_running()


def test_an_engine_that_ignores_sigterm_is_killed(start: Start) -> None:
    container = start("ignores_sigterm.py").wait_ready()
    engine = container.engine_process()
    began = time.monotonic()
    assert container.stop() == 0
    assert time.monotonic() - began < 25 and not engine.is_running()


def test_kill_9_of_the_container_leaves_no_engine(start: Start) -> None:
    container = start("hangs.py", "--times 0").wait_ready()
    engine = container.engine_process()
    container.invoke(container.accept(new_job()))
    container.wait_drawing()
    os.kill(container.process.pid, signal.SIGKILL)
    container.process.wait()
    wait_for(lambda: has_ended(engine), 5)


def test_a_port_that_is_taken_ends_it_with_one_sentence(start: Start) -> None:
    container = start().wait_ready()
    second = start(port=container.port)
    assert second.process.wait(10) == 1
    assert "WEBUI_ASYNC_PORT" in second.log and "Traceback" not in second.log


@pytest.fixture
def engines(open_place: Path) -> Path:
    """The faulty webuis where every user may read them."""
    if os.geteuid() != 0:
        pytest.skip("only root can start the engine as another user")
    if not Path(SYSTEM_PYTHON).exists():
        pytest.skip(f"no {SYSTEM_PYTHON} that any user may run")
    engines = open_place / "engines"
    shutil.copytree(FAULTY, engines)
    subprocess.run(["chmod", "-R", "a+rX", str(engines)], check=True)
    return engines


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def status_of(process: psutil.Process, field: str) -> str:
    text = Path(f"/proc/{process.pid}/status").read_text()
    return text.partition(f"{field}:")[2].partition("\n")[0].strip()


def test_the_engine_is_nobody_and_sees_no_credentials(start: Start, engines: Path) -> None:
    container = start(str(engines / "fixed_delay.py"), python=SYSTEM_PYTHON, engine_uid=UID).wait_ready()
    engine = container.engine_process()
    assert set(engine.uids()) == {UID} and set(engine.gids()) == {UID}
    assert status_of(engine, "Groups") == "" and status_of(engine, "NoNewPrivs") == "1"
    environment = Path(f"/proc/{engine.pid}/environ").read_text()
    assert "HOME=" in environment and "AWS_" not in environment and "WEBUI_ASYNC_" not in environment
    assert (
        container.data_dir.stat().st_gid == UID and (container.data_dir / "engine.log").stat().st_uid == UID
    )
    assert container.draw(new_job()).json()["images"]
    os.kill(container.process.pid, signal.SIGKILL)
    container.process.wait()
    wait_for(lambda: has_ended(engine), 5)


def test_what_left_the_engines_group_ends_with_it(start: Start, engines: Path) -> None:
    container = start(str(engines / "leaves_processes.py"), python=SYSTEM_PYTHON, engine_uid=UID)
    noted = container.wait_ready().data_dir / "left_behind"
    first = psutil.Process(int(noted.read_text()))
    assert os.getsid(first.pid) == first.pid and set(first.uids()) == {UID}
    container.engine_process().kill()
    wait_for(lambda: len(noted.read_text().split()) == 2)
    assert has_ended(first), "it lived when the next engine had started"
    second = psutil.Process(int(noted.read_text().split()[1]))
    assert not has_ended(second)
    assert container.stop() == 0
    assert has_ended(second)
