"""The commands of `make demo` and `make up`: what is wrong is told in one sentence, and nothing is left."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.e2e.road import COMMAND, eventually

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "model_layout"
CHECKPOINT = "Stable-diffusion/tiny-painter.safetensors"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """This machine's, with a mark that every process of the stack inherits: its place for temporary files."""
    return dict(os.environ) | {"TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}


def left_over(mark: Path) -> list[str]:
    """The processes that have the mark in their environment."""
    return [
        " ".join(process.info["cmdline"] or ())
        for process in psutil.process_iter(["environ", "cmdline"])
        if any(str(mark) in value for value in (process.info["environ"] or {}).values())
    ]


@pytest.fixture
def fail(tmp_path: Path, environment: dict[str, str]) -> Callable[..., str]:
    """fail(*words) -> what `webui-async demo` says last, and it says nothing else and leaves nothing."""

    def fail(*words: str, main: str = COMMAND, python: tuple[str, ...] = (sys.executable,)) -> str:
        command = [*python, "-c", main, "demo", "--out", str(tmp_path / "out"), *words]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1, done
        (line,) = done.stderr.splitlines()
        assert line.startswith("webui-async: ") and done.stdout == ""
        assert left_over(tmp_path) == [] and list(tmp_path.glob("webui-async-*")) == []
        return line

    return fail


def tree(folder: Path) -> Path:
    """A copy of the model tree that may be broken."""
    shutil.copytree(MODELS, folder)
    return folder


def test_a_taken_port_is_told_with_its_number(fail: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = fail("--port", str(port))
    assert f"127.0.0.1:{port}" in line and "Choose another port" in line


def test_a_checkpoint_cut_short_is_told_by_name(tmp_path: Path, fail: Callable[..., str]) -> None:
    checkpoint = tree(tmp_path / "models") / CHECKPOINT
    os.truncate(checkpoint, checkpoint.stat().st_size // 2)
    line = fail("--models", str(tmp_path / "models"))
    assert f"{CHECKPOINT} is" in line and "fetch it again" in line


def test_a_web_page_named_safetensors_is_told_by_name(tmp_path: Path, fail: Callable[..., str]) -> None:
    checkpoint = tree(tmp_path / "models") / CHECKPOINT
    checkpoint.write_text("<!doctype html><title>404 Not Found</title>" * 100)
    line = fail("--models", str(tmp_path / "models"))
    assert f"{CHECKPOINT} is" in line and "fetch it again" in line


@pytest.mark.parametrize("folder", ["", "Stable-diffusion"])
def test_a_tree_without_a_checkpoint_is_told_with_its_place(
    tmp_path: Path, fail: Callable[..., str], folder: str
) -> None:
    (tmp_path / "models" / folder).mkdir(parents=True)
    line = fail("--models", str(tmp_path / "models"))
    assert f"{tmp_path}/models cannot become a model pack: Stable-diffusion/ " in line


@pytest.mark.parametrize("name", ["moto", "torch", "tqdm"])
def test_a_missing_package_is_told_with_the_way_to_have_it(fail: Callable[..., str], name: str) -> None:
    line = fail(main=f"import sys; sys.modules[{name!r}] = None; {COMMAND}")
    assert f"{name} is not installed" in line and "make demo" in line


def test_a_python_without_any_package_says_which_one_it_misses(fail: Callable[..., str]) -> None:
    assert "is not installed" in fail(python=(sys.executable, "-S"))


@pytest.mark.parametrize(
    ("command", "station", "number", "code"),
    [
        ("demo", "accepted:", signal.SIGINT, 130),
        ("up", "up at", signal.SIGINT, 0),
        ("demo", "cloud:", signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_ctrl_c_and_kill_leave_no_process_behind(
    tmp_path: Path, environment: dict[str, str], command: str, station: str, number: signal.Signals, code: int
) -> None:
    words = [sys.executable, "-c", COMMAND, command, "--port", "0", "--out", str(tmp_path / "out")]
    with subprocess.Popen(
        words,
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # it is ignored behind a shell's `&`
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        while station not in (line := process.stdout.readline()):
            assert line, process.stderr.read()
        assert len(left_over(tmp_path)) >= 7, "the command, moto and five functions"
        os.killpg(process.pid, number)  # as a terminal does it
        process.stdout.read()
        said = process.stderr.read()
    assert process.returncode == code, said
    assert "Traceback" not in said
    if number is signal.SIGKILL:  # then each of them notices by itself
        eventually(lambda: not left_over(tmp_path), timeout_s=10.0)
    assert left_over(tmp_path) == []
