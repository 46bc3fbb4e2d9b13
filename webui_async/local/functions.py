"""Lambda functions: each a pool of worker processes with the environment and credentials of its own role."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webui_async.local.control_plane import ControlPlane
from webui_async.local.deployed import Function
from webui_async.local.errors import FunctionFailed
from webui_async.local.worker import Worker


class FunctionPool:
    """A function that can be invoked, by several threads at once."""

    def __init__(self, function: Function, environment: Mapping[str, str], log_path: Path, concurrency: int):
        self.function, self.log_path = function, log_path
        self.concurrency = function.concurrency or concurrency
        self._environment = environment
        self._free = threading.BoundedSemaphore(self.concurrency)
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._is_stopped = False

    def warm(self) -> None:
        """Start one worker without waiting for it."""
        worker = self._start()
        with self._lock:
            self._idle.append(worker)

    def wait_ready(self) -> None:
        """Return once the warm workers have imported the handler. Raises FunctionFailed when one cannot."""
        with self._lock:
            idle = list(self._idle)
        for worker in idle:
            worker.wait_ready()

    @property
    def pids(self) -> list[int]:
        """The processes of this function that live now."""
        with self._lock:
            return [worker.pid for worker in (*self._idle, *self._busy) if worker.is_alive]

    def invoke(self, event: Any) -> Any:
        """What the handler returns. Waits for a free worker when all are busy. Raises FunctionFailed."""
        with self._free:
            worker = self._take()
            try:
                return worker.invoke(event, str(uuid.uuid4()))
            finally:
                self._give_back(worker)

    def stop(self) -> None:
        """End every worker; who waits for one gets FunctionFailed."""
        with self._lock:
            self._is_stopped = True
            idle, busy = list(self._idle), list(self._busy)
            self._idle.clear()
        for worker in busy:
            worker.kill()
        for worker in idle:
            worker.stop()

    def _start(self) -> Worker:
        return Worker(self.function, self._environment, self.log_path)

    def _take(self) -> Worker:
        with self._lock:
            if self._is_stopped:
                raise FunctionFailed(self.function.name, "Stopped", "the local stack is ending")
            while self._idle:
                worker = self._idle.pop()
                if worker.is_alive:
                    break
                worker.stop()
            else:
                worker = self._start()
            self._busy.add(worker)
            return worker

    def _give_back(self, worker: Worker) -> None:
        with self._lock:
            self._busy.discard(worker)
            if worker.is_alive and not self._is_stopped:
                self._idle.append(worker)
            else:
                worker.stop()


def function_environment(plane: ControlPlane, function: Function, runtime_url: str) -> dict[str, str]:
    """The environment of a function, as Lambda makes it, with the endpoints of this machine.

    runtime_url: where InvokeEndpointAsync is served.
    """
    own = {
        "AWS_REGION": plane.region,
        "AWS_DEFAULT_REGION": plane.region,
        "AWS_ENDPOINT_URL": plane.endpoint_url,
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": runtime_url,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python",
        "AWS_EC2_METADATA_DISABLED": "true",
        # This machine's own profiles must not leak into a function.
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "LAMBDA_TASK_ROOT": str(function.code_dir),
        "_HANDLER": function.handler,
        "TZ": "UTC",
    }
    return dict(function.environment) | own | plane.assume(function.role_arn).environment()
