"""`serve` as it is, each call of boto3 a line in `{data_dir}/store.log`: what its transport takes."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from botocore.client import BaseClient

from serve.__main__ import main

LOG = "store.log"


def trace(log: Path) -> None:
    """Every call of every client leaves its line."""
    make_api_call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def traced(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        began = time.time()
        try:
            return make_api_call(client, operation, parameters)
        finally:
            key = parameters.get("Key") or parameters.get("Prefix")
            line = {"key": key, "start": began, "end": time.time()}
            with log.open("a") as file:  # the folder is there by now
                file.write(json.dumps(line) + "\n")

    BaseClient._make_api_call = traced  # type: ignore[attr-defined]


if __name__ == "__main__":
    trace(Path(os.environ["WEBUI_ASYNC_DATA_DIR"]) / LOG)
    sys.exit(main(sys.argv[1:]))
