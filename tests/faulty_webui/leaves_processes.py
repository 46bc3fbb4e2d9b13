"""Starts a process that leaves its group, as a daemon does, and notes its pid in `left_behind`."""

import subprocess
import sys

from base import Engine, main


class LeavesProcesses(Engine):
    def before_listening(self) -> None:
        left = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
        )
        with (self.words.data_dir / "left_behind").open("a") as file:
            file.write(f"{left.pid}\n")


if __name__ == "__main__":
    main(LeavesProcesses)
