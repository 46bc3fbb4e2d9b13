"""The functions: size of the zip without the layer, import of submit against a bare boto3 handler."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure

ROOT = Path(__file__).resolve().parents[1]
RUNS = 9
BARE = "import boto3; boto3.client('s3')"
SUBMIT = "import handlers.submit as s; s.wiring().store"


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        size = build(Path(folder) / "functions.zip").stat().st_size
        yield Figure("functions.zip_without_layer", size / 1e6, "MB", 1.0)
        source = str(build(Path(folder) / "functions"))
        bare, submit = [], []
        for _ in range(RUNS):  # in turns, so that a noisy machine disturbs both alike
            bare.append(import_s(BARE, source))
            submit.append(import_s(SUBMIT, source))
    yield Figure("functions.import_bare_boto3", statistics.median(bare), "s cpu")
    yield Figure("functions.import_submit", statistics.median(submit), "s cpu")
    yield Figure("functions.import_ratio", statistics.median(submit) / statistics.median(bare), "x", 1.35)


def import_s(script: str, source: str) -> float:
    """CPU seconds of a fresh interpreter that runs `script`."""
    environment = os.environ | {
        "PYTHONPATH": source,
        "WEBUI_ASYNC_BUCKET": "bench",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }
    before = os.times()
    subprocess.run([sys.executable, "-c", script], env=environment, cwd="/", check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def build(target: Path) -> Path:
    """What a function is deployed as: a zip, or the same unpacked where the target has no such ending."""
    subprocess.run([sys.executable, str(ROOT / "lambda" / "build_zip.py"), str(target)], check=True)
    return target
