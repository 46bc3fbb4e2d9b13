"""What an engine leaves running behind it: processes that left its group, and with them memory of the GPU."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)

#: A killed process ends at once, unless a device driver holds it.
PATIENCE_S = 2.0
_AGAIN_S = 0.02
_STATUS = re.compile(r"^State:\t(?P<state>\w).*?^Uid:\t(?P<uid>\d+)", re.MULTILINE | re.DOTALL)
_ENDED = "ZX"


async def end_all_of(uid: int) -> None:
    """Nothing runs as that user any more, which is the engine's and nobody else's; never root.

    What does not end is logged. Call it when the engine has ended, and before another one is started.
    """
    if uid == 0:
        raise ValueError("uid 0 is our own: its processes are not the engine's")
    ends = time.monotonic() + PATIENCE_S
    left = first = list(_running_as(uid))
    if first:
        logger.warning("the engine left %d processes behind; they are killed: %s", len(first), first)
    while left and time.monotonic() < ends:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(_AGAIN_S)
        left = list(_running_as(uid))  # again: a process may have started another one meanwhile
    if left:
        logger.error("processes %s of the engine's uid %d do not end, not even by SIGKILL", left, uid)


def _running_as(uid: int) -> Iterator[int]:
    """The processes whose real user it is, without ourselves and those that have ended."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        try:
            found = _STATUS.search((folder / "status").read_text(errors="replace"))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        if found and int(found["uid"]) == uid and found["state"] not in _ENDED:
            yield int(folder.name)
