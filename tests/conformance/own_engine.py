"""A diffusers_webui of our own to replay against: the demo model under the names of the recordings."""

from __future__ import annotations

import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

DEMO = Path(__file__).resolve().parents[2] / "model_layout"
START_S = 120.0


@contextmanager
def running_engine(folder: Path) -> Iterator[str]:
    """The URL of an engine with its checkpoint loaded; it is stopped afterwards.

    Raises RuntimeError with its last lines when it does not start.
    """
    _lay_models(folder)
    port = _free_port()
    url, log = f"http://127.0.0.1:{port}", folder / "engine.log"
    command = [sys.executable, "-m", "diffusers_webui", "--api", "--nowebui", f"--port={port}"]
    command += [f"--ckpt-dir={folder / 'ckpt'}", f"--lora-dir={folder / 'lora'}", f"--data-dir={folder}"]
    with log.open("wb") as lines:
        process = subprocess.Popen(command, stdout=lines, stderr=subprocess.STDOUT)
    try:
        _wait_until_ready(url, process, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _lay_models(folder: Path) -> None:
    checkpoints, loras = folder / "ckpt", folder / "lora"
    checkpoints.mkdir(parents=True)
    loras.mkdir()
    demo = DEMO / "Stable-diffusion"
    for name in ("tinyA", "tinyB", "added"):
        (checkpoints / f"{name}.safetensors").symlink_to(demo / "tiny-painter.safetensors")
        (checkpoints / f"{name}.yaml").symlink_to(demo / "tiny-painter.yaml")
    (checkpoints / "clip").symlink_to(demo / "clip")
    (loras / "dummylora.safetensors").symlink_to(DEMO / "Lora" / "blueprint.safetensors")
    with (demo / "tiny-painter.safetensors").open("rb") as whole:
        (checkpoints / "trunc.safetensors").write_bytes(whole.read(200_000))
    (checkpoints / "empty.safetensors").touch()
    for suffix in ("safetensors", "ckpt"):
        (checkpoints / f"garbage.{suffix}").write_bytes(b"\xff" * 5_000)
    (checkpoints / "evil.ckpt").write_bytes(pickle.dumps(_Evil(folder / "executed")))


class _Evil:
    """Whoever unpickles this makes a folder: proof that a checkpoint ran code."""

    def __init__(self, mark: Path):
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.mkdir, (self._mark,)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < end:
        try:
            answer = httpx.post(f"{url}/sdapi/v1/reload-checkpoint", timeout=START_S)
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        if answer.status_code == 200:
            return
        break
    raise RuntimeError(f"diffusers_webui did not start:\n{log.read_text(errors='replace')[-2000:]}")
