"""Run a command that dies with the process that started it, kill -9 included.

`python -I -S tether.py PARENT COMMAND …` asks the kernel for SIGKILL at its parent's death and becomes
COMMAND, with the same pid. It is a program and not a preexec_fn, since Python between fork and exec can hang
in a process that has threads. Only Linux can do this; elsewhere the command simply starts. For the kernel the
parent is the *thread* that started us, so that thread must last.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def tethered(command: Sequence[str]) -> list[str]:
    """`command`, tied to the life of this process."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("the process that started this one is gone")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
