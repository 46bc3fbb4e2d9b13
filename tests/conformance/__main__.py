"""`python -m tests.conformance [URL]`: without a URL against a diffusers_webui that it starts and stops."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import httpx

from tests.conformance.own_engine import running_engine
from tests.conformance.replay import Report, run


def main(arguments: list[str]) -> int:
    """0 when nothing differs but what DIFFERENCES.md names, 1 when something does, 2 when it cannot run."""
    url = arguments[0].rstrip("/") if arguments else ""
    try:
        if url:
            return report(run(url, is_ours=False), is_ours=False)
        with tempfile.TemporaryDirectory() as folder, running_engine(Path(folder) / "tree") as own:
            return report(run(own, is_ours=True), is_ours=True)
    except (httpx.HTTPError, LookupError, RuntimeError) as error:
        print(f"the replay of {url or 'diffusers_webui'} ended: {error}", file=sys.stderr)
        return 2


def report(reports: Iterable[Report], is_ours: bool) -> int:
    """Print a line for each difference, and how many there are."""
    count = bad = written = 0
    for one in reports:
        count += 1
        stale = is_ours and one.is_stale
        bad += not one.is_good or stale
        written += bool(one.differences) and one.is_good
        for difference in one.differences:
            word = "written" if one.is_good else "DIFFERS"
            print(f"{word}  {one.name}: {difference}", flush=True)
        if stale:
            print(f"STALE    {one.name}: no longer differs, take it out of DIFFERENCES.md", flush=True)
    print(f"{count} exchanges and checks: {bad} not as recorded, {written} differ as written down")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
