"""A push's uploads beside boto3's own upload_file: 2 GB of fp16 weights, page cache warm, to a byte sink.

Each upload is a process of its own, so that its memory is its own, and they take turns. The ratio is the
median of the rounds' ratios: what else runs on the machine then weighs on both alike.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.upload_sink import ROOT, open_sink
from benchmarks.weights_tree import write_tree

ROUNDS = 5
SIZE_MB = 2000
THEIRS, OURS = "boto3", ("files", "archive")


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, open_sink() as url:
        write_tree(Path(folder), checkpoints=1, checkpoint_mb=SIZE_MB, loras=0, lora_mb=0)
        rounds = [{name: _push(name, url, folder) for name in (THEIRS, *OURS)} for _ in range(ROUNDS)]
    for name in (THEIRS, *OURS):
        speeds = [SIZE_MB / done[name]["seconds"] for done in rounds]
        yield Figure(f"pushing.{name}", statistics.median(speeds), "MB/s")
    for name in OURS:
        ratios = [done[THEIRS]["seconds"] / done[name]["seconds"] for done in rounds]
        yield Figure(f"pushing.{name}_to_boto3", statistics.median(ratios), "x", 0.85, at_least=True)
        peak_mb = max(done[name]["peak_mb"] for done in rounds)
        yield Figure(f"pushing.{name}_memory", peak_mb, "MB", 200)


def _push(name: str, url: str, folder: str) -> dict[str, float]:
    """seconds and peak_mb of one upload."""
    environment = os.environ | {
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }
    command = [sys.executable, "-m", "benchmarks.push_once", name, folder]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured
