"""One process of a function: takes an event, gives its result."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webui_async.local import children
from webui_async.local.deployed import Function
from webui_async.local.errors import FunctionFailed

#: Importing a handler takes 0.4 s; a machine that is busy with other things takes longer.
_IMPORT_TIMEOUT_S = 60.0


class Worker:
    """A runtime process. It is used by one thread at a time."""

    def __init__(self, function: Function, environment: Mapping[str, str], log_path: Path):
        self._function, self._log_path = function, log_path
        self._is_ready = False
        with log_path.open("ab") as log:
            self._process: subprocess.Popen[bytes] = children.start_module(
                "webui_async.local.runtime", [function.handler, str(function.code_dir)], environment, log
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def wait_ready(self) -> None:
        """Return once the handler is imported. Raises FunctionFailed when it cannot be."""
        if not self._is_ready:
            self._result(self._read_line(time.monotonic() + _IMPORT_TIMEOUT_S, _IMPORT_TIMEOUT_S))
            self._is_ready = True

    def invoke(self, event: Any, request_id: str) -> Any:
        """What the handler returns for the event.

        Raises FunctionFailed when it raises, when the process dies, and after the function's timeout, which
        ends the process.
        """
        self.wait_ready()
        timeout_s = self._function.timeout_s
        request = {
            "event": event,
            "request_id": request_id,
            "deadline": time.time() + timeout_s,
            "arn": self._function.arn,
        }
        deadline = time.monotonic() + timeout_s
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._death() from error
        return self._result(self._read_line(deadline, timeout_s))

    def kill(self) -> None:
        """End the process while another thread invokes it; that thread gets FunctionFailed."""
        self._process.kill()

    def stop(self, grace_s: float = 0.0) -> None:
        """End the process, which no thread invokes."""
        children.end(self._process, grace_s)

    def _result(self, line: bytes) -> Any:
        reply = json.loads(line)
        if "error" in reply:
            error = reply["error"]
            raise FunctionFailed(self._function.name, error["errorType"], error["errorMessage"])
        return reply["result"]

    def _read_line(self, deadline: float, timeout_s: float) -> bytes:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        parts: list[bytes] = []
        while not (parts and parts[-1].endswith(b"\n")):
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                self.stop()
                raise FunctionFailed(
                    self._function.name, "Sandbox.Timedout", f"timed out after {timeout_s:g} s"
                )
            part = os.read(pipe, 1 << 20)
            if not part:
                raise self._death()
            parts.append(part)
        return b"".join(parts)

    def _death(self) -> FunctionFailed:
        self.stop(grace_s=1.0)
        return FunctionFailed(
            self._function.name,
            "Runtime.ExitError",
            f"its process ended with code {self._process.returncode}; its last words are in {self._log_path}",
        )
