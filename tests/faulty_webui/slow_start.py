"""Opens its port only after `--start-delay` seconds, as a large checkpoint does."""

import os
import time
from pathlib import Path

from base import Engine, main


class SlowStart(Engine):
    def before_listening(self) -> None:
        gone_s = parent_age_s() if self.words.since_parent else 0.0
        time.sleep(max(0.0, self.words.start_delay - gone_s))


def parent_age_s() -> float:
    """How long ago the process was started that started this one. Source: proc(5), starttime."""
    fields = Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()
    up_s = float(Path("/proc/uptime").read_text().split()[0])
    return up_s - int(fields[19]) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main(SlowStart)
