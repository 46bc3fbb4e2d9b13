"""A Lambda runtime in one process: imports a handler, then answers one event after another.

JSON lines on standard input and output: `{"event", "request_id", "deadline", "arn"}` in, `{"result"}` or
`{"error"}` out; the first line out says that the handler is imported. What the handler prints goes to
standard error; what it asks of AWS is held against the service model first. The process ends when its
standard input does, even while the handler works.

    python -m webui_async.local.runtime handlers.submit.handler lambda/
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from webui_async.local.checked import check_requests

Handler = Callable[[Any, "Context"], Any]


@dataclass(frozen=True)
class Context:
    """What Lambda passes to a handler beside the event."""

    aws_request_id: str
    invoked_function_arn: str
    deadline: float  #: seconds since 1970
    function_name: str
    memory_limit_in_mb: str
    function_version: str = "$LATEST"
    log_group_name: str = ""
    log_stream_name: str = ""

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - time.time()) * 1000))


def load_handler(name: str, code_dir: str) -> Handler:
    """The function that `package.module.function` names, found in `code_dir` first."""
    sys.path.insert(0, code_dir)
    module, _, function = name.rpartition(".")
    handler: Handler = getattr(importlib.import_module(module), function)
    return handler


def answer(handler: Handler, request: dict[str, Any]) -> dict[str, Any]:
    """The reply to one request: its result, or the error that the handler raised."""
    context = Context(
        aws_request_id=request["request_id"],
        invoked_function_arn=request["arn"],
        deadline=request["deadline"],
        function_name=os.environ.get("AWS_LAMBDA_FUNCTION_NAME", ""),
        memory_limit_in_mb=os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", ""),
        log_group_name=os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", ""),
    )
    try:
        return {"result": json.loads(json.dumps(handler(request["event"], context)))}
    except Exception as error:  # whatever a handler raises is an answer, as on Lambda
        return describe(error)


def describe(error: BaseException) -> dict[str, Any]:
    """An error as Lambda tells of it; the trace goes to the log."""
    traceback.print_exception(error)
    return {"error": {"errorType": type(error).__name__, "errorMessage": str(error)}}


def main(name: str, code_dir: str) -> None:
    """Answer events until standard input closes."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests, waiting), daemon=True).start()
    try:
        check_requests()
        handler = load_handler(name, code_dir)
    except Exception as error:  # the same edge, one step earlier
        _write(replies, describe(error))
        return
    _write(replies, {"result": None})
    while True:
        _write(replies, answer(handler, json.loads(waiting.get())))


def _read(requests: IO[bytes], waiting: queue.SimpleQueue[bytes]) -> None:
    for line in requests:
        waiting.put(line)
    os._exit(0)


def _write(replies: IO[bytes], reply: dict[str, Any]) -> None:
    sys.stdout.flush()
    replies.write(json.dumps(reply).encode() + b"\n")
    replies.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
