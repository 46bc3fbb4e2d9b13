"""`serve` as it is, each call of boto3 a line in `{data_dir}/store.log`: what its transport takes."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from botocore.client import BaseClient

from serve.__main__ import main

LOG = "store.log"
_EVERY_S = 0.1


def trace(log: Path) -> None:
    """Every call of every client leaves its line, soon after: writing it must not count for serve's time."""
    make_api_call = BaseClient._make_api_call  # type: ignore[attr-defined]
    lines: SimpleQueue[dict[str, Any]] = SimpleQueue()

    def traced(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        began = time.time()
        try:
            return make_api_call(client, operation, parameters)
        finally:
            key = parameters.get("Key") or parameters.get("Prefix")
            lines.put({"key": key, "start": began, "end": time.time()})

    def write() -> None:
        while True:
            time.sleep(_EVERY_S)
            with log.open("a") as file:
                while not lines.empty():
                    file.write(json.dumps(lines.get()) + "\n")

    BaseClient._make_api_call = traced  # type: ignore[attr-defined]
    log.parent.mkdir(parents=True, exist_ok=True)
    threading.Thread(target=write, daemon=True).start()


if __name__ == "__main__":
    trace(Path(os.environ["WEBUI_ASYNC_DATA_DIR"]) / LOG)
    sys.exit(main(sys.argv[1:]))
