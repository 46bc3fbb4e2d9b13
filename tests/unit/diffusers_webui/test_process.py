"""The process: `python -m diffusers_webui` started, watched and stopped as serve does it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from diffusers_webui.arguments import parse

STOCK_FLAGS = [
    "--api",
    "--nowebui",
    "--skip-prepare-environment",
    "--no-download-sd-model",
    "--skip-version-check",
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(
    ckpt_dir: Path, data_dir: Path, *flags: str
) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "diffusers_webui",
        f"--port={port}",
        f"--ckpt-dir={ckpt_dir}",
        f"--data-dir={data_dir}",
        *STOCK_FLAGS,
        *flags,
    ]
    started = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/sdapi/v1", timeout=60) as client:
            wait_until_open(client)
            yield started, client
    finally:
        if started.poll() is None:
            started.kill()
        started.wait()


def wait_until_open(client: httpx.Client) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            client.get("/progress")
            return
        except httpx.ConnectError:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_a_fresh_process_draws_the_very_same_picture_and_ends_by_sigterm(draw, model_tree, tmp_path):
    here = draw(prompt="a red star <lora:missing:1>", sampler_name="DPM++ SDE", steps=3)
    with process(model_tree / "ckpt", tmp_path) as (started, client):
        assert client.post("/reload-checkpoint").json() == {}
        body = {
            "prompt": "a red star <lora:missing:1>",
            "sampler_name": "DPM++ SDE",
            "steps": 3,
            "seed": 1,
            "width": 64,
            "height": 64,
        }
        there: dict[str, Any] = client.post("/txt2img", json=body).json()
        started.send_signal(signal.SIGTERM)
        assert started.wait(timeout=10) == -signal.SIGTERM
    assert there["images"] == here["images"]


def test_sigterm_while_the_model_loads_ends_the_process_at_once(model_tree, tmp_path):
    with process(model_tree / "ckpt", tmp_path) as (started, _):
        started.send_signal(signal.SIGTERM)
        assert started.wait(timeout=5) == -signal.SIGTERM


def test_server_kill_ends_the_process_without_an_answer(model_tree, tmp_path):
    with process(model_tree / "ckpt", tmp_path, "--api-server-stop") as (started, client):
        with pytest.raises(httpx.RemoteProtocolError):
            client.post("/server-kill")
        assert started.wait(timeout=5) == 0


def test_an_empty_folder_leaves_the_process_up(tmp_path):
    (tmp_path / "ckpt").mkdir()
    with process(tmp_path / "ckpt", tmp_path) as (_, client):
        answer = client.post("/txt2img", json={"steps": 1})
        assert answer.status_code == 500 and answer.json()["errors"].startswith("No checkpoints found")
        assert client.post("/reload-checkpoint").status_code == 500
        assert client.get("/sd-models").json() == []


def test_a_taken_port_is_one_line_and_code_3(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "diffusers_webui", f"--port={port}", f"--data-dir={tmp_path}"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 3
    assert ended.stderr.count("\n") == 1 and str(port) in ended.stderr


def test_flags_of_the_stock_webui_are_taken_and_unknown_ones_are_not(tmp_path, capsys):
    settings = parse([*STOCK_FLAGS, "--use-cpu", "all", "--port", "7000", f"--data-dir={tmp_path}"])
    assert settings.port == 7000 and settings.ckpt_dir == tmp_path / "models" / "Stable-diffusion"
    with pytest.raises(SystemExit) as ended:
        parse(["--no-such-flag"])
    assert ended.value.code == 2
    assert "--no-such-flag" in capsys.readouterr().err


def test_nothing_heavy_is_imported_before_the_port_is_open():
    script = (
        "import sys, json; from diffusers_webui import __main__, app, engine; "
        "print(json.dumps([name for name in ('torch', 'diffusers', 'transformers') if name in sys.modules]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(ended.stdout) == []
