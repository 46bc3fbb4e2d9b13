"""Processes that die with the one that started them."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from webui_async.local.tether import tethered

PARENT = """
import subprocess, sys
from webui_async.local.tether import tethered
child = subprocess.Popen(tethered([sys.executable, "-c", "import time; time.sleep(60)"]))
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_a_tethered_process_dies_with_a_parent_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        parent.kill()
    assert psutil.wait_procs([child], timeout=5)[1] == []


def test_a_tethered_command_keeps_its_pid_arguments_and_exit_code() -> None:
    say = "import os, sys; print(os.getpid(), sys.argv[1:]); sys.exit(3)"
    command = tethered([sys.executable, "-c", say, "a b"])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said, _ = process.communicate()
    assert (said, process.returncode) == (f"{process.pid} ['a b']\n", 3)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_a_process_whose_parent_is_gone_already_does_not_start() -> None:
    command = tethered([sys.executable, "-c", "print('started')"])
    command[command.index(str(psutil.Process().pid))] = "1"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode != 0
