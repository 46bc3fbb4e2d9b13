"""What the fixed-delay engine itself wrote down: when it began and ended each drawing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENGINE = Path(__file__).resolve().parents[1] / "tests" / "faulty_webui" / "fixed_delay.py"


@dataclass(frozen=True)
class Drawing:
    """When the engine began and ended one drawing, seconds since 1970."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


def events(log: Path, name: str) -> Iterator[dict[str, Any]]:
    """The entries of that name, in order; those of warm-ups, which have no prompt, are left out."""
    lines = log.read_text().splitlines() if log.exists() else []
    return (entry for entry in map(json.loads, lines) if entry["event"] == name and entry["prompt"])


def drawings(log: Path) -> dict[str, Drawing]:
    """prompt -> its drawing, in the order they ended; of one that was begun twice, the last."""
    starts = {entry["prompt"]: entry["at"] for entry in events(log, "start")}
    return {entry["prompt"]: Drawing(starts[entry["prompt"]], entry["at"]) for entry in events(log, "end")}
