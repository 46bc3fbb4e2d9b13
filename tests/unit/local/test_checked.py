"""local/checked.py: a module that knows nothing of it, with its AWS requests checked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
import boto3

print(__name__, sys.argv[1:])
client = boto3.client("sagemaker", "eu-central-1", endpoint_url="http://127.0.0.1:1")
client.describe_endpoint(EndpointName="not_a_name")
"""


def test_a_module_runs_as_itself_and_what_aws_would_refuse_is_refused(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    words = [sys.executable, "-m", "webui_async.local.checked", "program", "serve"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout == "__main__ ['serve']\n"
    assert "Value at 'endpointName' failed to satisfy constraint" in done.stderr
