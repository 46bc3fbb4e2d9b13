"""A diffusers_webui process to measure, and the models that it is measured with."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

MODELS = Path(__file__).resolve().parents[1] / "model_layout"
_START_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Webui:
    """A running engine with its checkpoint loaded."""

    client: httpx.Client
    process: psutil.Process
    ready_s: float  #: from the start of the process to the answer of reload-checkpoint

    def post(self, route: str, **fields: object) -> dict[str, object]:
        """The answer of one route. Raises httpx.HTTPStatusError."""
        answer = self.client.post(f"/sdapi/v1/{route}", json=fields)
        answer.raise_for_status()
        return answer.json() or {}


@contextmanager
def started(data_dir: Path, ckpt_dir: Path = MODELS / "Stable-diffusion") -> Iterator[Webui]:
    """An engine on these checkpoints. Raises RuntimeError when it does not become ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "diffusers_webui", f"--port={port}", f"--data-dir={data_dir}"]
    command += [f"--ckpt-dir={ckpt_dir}"]
    began = time.monotonic()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=600, trust_env=False) as client:
            _wait_until_ready(client, process)
            yield Webui(client, psutil.Process(process.pid), time.monotonic() - began)
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < end:
        try:
            client.post("/sdapi/v1/reload-checkpoint").raise_for_status()
            return
        except httpx.ConnectError:
            time.sleep(0.02)
    raise RuntimeError("diffusers_webui did not become ready")
