"""The run: every recording and every check, and what of it is written down as a difference."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.conformance.checks import Pictures, huge_check, picture_checks, running_checks
from tests.conformance.compare import differences
from tests.conformance.exchanges import GROUPS, names_on, read_group

DIFFERENCES = Path(__file__).with_name("DIFFERENCES.md")
_ROW = re.compile(r"^\| `([^`]+)` \| (.+) \|$", re.MULTILINE)
_TIMEOUT_S = 300.0

#: parts of the names of exchanges that need files which only our own tree has
_BROKEN_FILES = ("added", "empty", "evil", "garbage", "trunc")


@dataclass(frozen=True)
class Report:
    """What one exchange or check came to."""

    name: str
    differences: list[str]
    reason: str | None  #: why it may differ, from DIFFERENCES.md

    @property
    def is_good(self) -> bool:
        """As recorded, or different and written down."""
        return not self.differences or self.reason is not None

    @property
    def is_stale(self) -> bool:
        """Written down as a difference, and none."""
        return self.reason is not None and not self.differences


def written_differences() -> dict[str, str]:
    """Reason by name, from DIFFERENCES.md."""
    return dict(_ROW.findall(DIFFERENCES.read_text(encoding="utf-8")))


def run(url: str, is_ours: bool) -> Iterator[Report]:
    """Replay everything against the server at url, and give it back with the checkpoint that it had.

    is_ours: the server runs on our own tree, has its broken files, and may be sent what could end it.
    """
    reasons = written_differences()
    with httpx.Client(base_url=url, timeout=_TIMEOUT_S, trust_env=False) as client:
        checkpoint = client.get("/sdapi/v1/options").json()["sd_model_checkpoint"]
        for name, found in _results(client, is_ours):
            yield Report(name, found, reasons.get(name))
        client.post("/sdapi/v1/options", json={"sd_model_checkpoint": checkpoint})


def _results(client: httpx.Client, is_ours: bool) -> Iterator[tuple[str, list[str]]]:
    names = names_on(client)
    for group in GROUPS:
        client.post("/sdapi/v1/options", json={"sd_model_checkpoint": names.first}).raise_for_status()
        for exchange in read_group(group, names):
            if is_ours or not any(file in exchange.name for file in _BROKEN_FILES):
                yield exchange.name, list(differences(exchange.replay(client), exchange))
    yield from running_checks(client, names)
    for name, check in picture_checks(Pictures(client, names)).items():
        yield name, check()
    if is_ours:
        yield "huge/is refused and the server goes on", huge_check(client)
