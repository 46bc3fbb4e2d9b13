"""One real container for a test: `python -m serve`, a real engine behind it, the bucket in a moto server."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil

from tests.unit.model_files.weights import SD1, write_weights
from webui_async.contract import keys
from webui_async.contract.job import Job
from webui_async.contract.payload import Kind
from webui_async.store import Store

ROOT = Path(__file__).resolve().parents[3]
FAULTY = ROOT / "tests" / "faulty_webui"
BUCKET, REGION = "art", "eu-central-1"
PATIENCE_S = 20.0
PAYLOAD = {"prompt": "a red boat", "seed": 7, "steps": 4, "width": 64, "height": 64}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def open_store(s3_url: str) -> Store:
    s3 = boto3.client(
        "s3", REGION, endpoint_url=s3_url, aws_access_key_id="testing", aws_secret_access_key="testing"
    )
    return Store(s3, BUCKET)


def wait_for(what: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """What `what` gives, as soon as that is something."""
    ends = time.monotonic() + patience_s
    while time.monotonic() < ends:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {patience_s} s for nothing")


def new_job(payload: Mapping[str, Any] = PAYLOAD, **fields: Any) -> Job:
    now = time.time()
    return Job(
        **{
            "id": keys.new_job_id(now, secrets.token_bytes(10)),
            "kind": Kind.TXT2IMG,
            "payload": dict(payload),
            "owner": "ann",
            "endpoint": "ink",
            "created_at": now,
            "expires_at": now + 600,
        }
        | fields
    )


class Call(threading.Thread):
    """One POST /invocations that waits for its answer."""

    def __init__(self, url: str, body: bytes, headers: Mapping[str, str]):
        super().__init__(daemon=True)
        self._request = (url, body, dict(headers))
        self._answer: httpx.Response | None = None
        self._error: httpx.HTTPError | None = None
        self.start()

    def run(self) -> None:
        url, body, headers = self._request
        try:
            self._answer = httpx.post(url, content=body, headers=headers, timeout=60, trust_env=False)
        except httpx.HTTPError as error:
            self._error = error

    def answer(self) -> httpx.Response:
        self.join(PATIENCE_S)
        assert self._answer is not None, f"no answer: {self._error}"
        return self._answer


class Container:
    """A running `serve`."""

    def __init__(
        self,
        place: Path,
        s3_url: str,
        engine: str,
        flags: str = "",
        python: str = sys.executable,
        module: str = "serve",
        checkpoints: Iterable[str] = ("fixed",),
        **settings: Any,
    ):
        """engine: a file of tests/faulty_webui or a path; flags: its words; settings: over quick ones.

        checkpoints: what the model pack holds; the first by name draws when a payload names none.
        """
        self.place, self.port, self.engine_port = place, free_port(), free_port()
        self.data_dir, model_dir = place / "data", place / "model"
        for name in checkpoints:
            write_weights(model_dir / "Stable-diffusion" / f"{name}.safetensors", SD1)
        command = (
            f"{python} {shlex.quote(str(FAULTY / engine))} --port {{port}} --data-dir {{data_dir}} {flags}"
        )
        quick = {
            "bucket": BUCKET,
            "endpoint": "ink",
            "engine_command": command,
            "model_dir": model_dir,
            "data_dir": self.data_dir,
            "fetched_dir": place / "fetched",
            "host": "127.0.0.1",
            "port": self.port,
            "engine_port": self.engine_port,
            "engine_uid": 0,
            "startup_timeout_s": 15,
            "heartbeat_s": 0.2,
            "watch_s": 0.1,
            "progress_s": 0.05,
        }
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(place),
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": s3_url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }
        for name, value in (quick | settings).items():
            environment[f"WEBUI_ASYNC_{name.upper()}"] = str(value)
        self.log_file = place / "serve.log"
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, "serve"],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.store = open_store(s3_url)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def ping(self) -> int | None:
        """The status of /ping; None when nobody answers."""
        try:
            return httpx.get(f"{self.url}/ping", timeout=2, trust_env=False).status_code
        except httpx.HTTPError:
            return None

    def wait_ready(self) -> Container:
        wait_for(lambda: self.ping() == 200 or self.process.poll() is not None)
        assert self.process.poll() is None, self.log
        return self

    def wait_listening(self) -> Container:
        wait_for(lambda: self.ping() is not None or self.process.poll() is not None)
        return self

    def engine_process(self) -> psutil.Process:
        """The engine, once there is one."""
        parent = psutil.Process(self.process.pid)
        found: psutil.Process = wait_for(lambda: next(iter(parent.children()), None))
        return found

    def drawings(self, event: str = "start") -> list[dict[str, Any]]:
        """The engine's own record of its drawings, the warm-ups left out."""
        log = self.data_dir / "engine.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [entry for entry in map(json.loads, lines) if entry["event"] == event and entry["prompt"]]

    def accept(self, job: Job) -> Job:
        """What submit leaves in the bucket, as far as the container looks at it."""
        self.store.put_json(keys.request(job.id), job.to_json())
        self.store.put_json(keys.queued(job.id, 1), {"attempt": 1})
        return job

    def invoke(self, job: Job, attempt: int = 1) -> Call:
        headers = {
            "X-Amzn-SageMaker-Inference-Id": job.id,
            "X-Amzn-SageMaker-Custom-Attributes": f"attempt={attempt}",
        }
        return Call(f"{self.url}/invocations", json.dumps(job.to_json()).encode(), headers)

    def draw(self, job: Job) -> httpx.Response:
        return self.invoke(self.accept(job)).answer()

    def invoke_direct(self, body: Any, inference_id: str = "by-hand-1") -> Call:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Call(f"{self.url}/invocations", data, {"X-Amzn-SageMaker-Inference-Id": inference_id})

    def wait_drawing(self, count: int = 1) -> None:
        wait_for(lambda: len(self.drawings()) >= count)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.terminate()
        return self.process.wait(30)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
