from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys

import pytest

from serve import leftovers

#: Nobody else's, so that no other test's engine is meant.
UID = 40_000 + os.getpid() % 20_000

is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes of other users")


def sleeper(uid: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "600"], user=uid, group=uid, extra_groups=[], start_new_session=True)


@is_root
def test_all_of_that_user_end_and_nobody_elses_do(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    left, other = [sleeper(UID), sleeper(UID)], sleeper(UID + 1)
    try:
        asyncio.run(leftovers.end_all_of(UID))
        assert [process.wait(5) for process in left] == [-signal.SIGKILL] * 2
        assert other.poll() is None
        assert "left 2 processes behind" in caplog.text and str(left[0].pid) in caplog.text
    finally:
        for process in (*left, other):
            process.kill()
            process.wait()


@is_root
def test_where_nothing_is_left_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    ended = sleeper(UID)
    ended.kill()
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has taken notice
    asyncio.run(leftovers.end_all_of(UID))
    assert ended.wait() == -signal.SIGKILL and caplog.text == ""


@is_root
def test_our_own_process_is_never_among_them() -> None:
    script = (
        "import asyncio, os, subprocess; from serve import leftovers;"
        f"os.setuid({UID}); left = subprocess.Popen(['sleep', '60'], stdout=-3, stderr=-3);"
        f"asyncio.run(leftovers.end_all_of({UID})); print(left.wait(5))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "-9"


def test_root_is_refused() -> None:
    with pytest.raises(ValueError, match="uid 0"):
        asyncio.run(leftovers.end_all_of(0))
