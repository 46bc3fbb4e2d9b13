"""`make demo` as a new user meets it: in a fresh clone with nothing installed, and once more."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure

ROOT = Path(__file__).resolve().parents[1]
_STATION = re.compile(r"^ *([\d.]+) s .* saved: ", re.MULTILINE)


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        yield Figure("demo.fresh_clone_with_installs", timed(clone)[0] / 60, "min", 6.0)
        wall_s, saved_s = timed(clone)
        yield Figure("demo.second_run_to_saved_picture", saved_s, "s", 30.0)
        yield Figure("demo.second_run_to_exit", wall_s, "s")


def timed(clone: Path) -> tuple[float, float]:
    """Seconds from command to exit, and from command to saved picture."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    began = time.monotonic()
    with subprocess.Popen(
        ["make", "demo"], cwd=clone, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        saved_s = 0.0
        for line in process.stdout:
            if _STATION.match(line):
                saved_s = time.monotonic() - began
    if process.returncode:
        raise RuntimeError(f"make demo ended with {process.returncode}")
    return time.monotonic() - began, saved_s
