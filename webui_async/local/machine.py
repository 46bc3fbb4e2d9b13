"""What a container has to itself and a process must be given: ports, and code that its user can reach."""

from __future__ import annotations

import itertools
import os
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

#: Below the ports that the kernel gives to outgoing connections: none is taken before its owner listens.
_PORTS = range(20000, 30000)


def free_ports() -> Iterator[int]:
    """Ports on loopback that nobody listens on, none given twice before all were given."""
    start = os.getpid() * 7 % len(_PORTS)  # two stacks on one machine begin apart
    for port in itertools.cycle([*_PORTS[start:], *_PORTS[:start]]):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        yield port


def closed_to_others(work_dir: Path) -> Path | None:
    """A folder on the way to our code or to `work_dir` that other users cannot enter; None when they can."""
    needed = [Path(sys.executable), Path(sys.prefix), Path(sys.base_prefix), Path(__file__), work_dir]
    for path in needed:
        whole = path.resolve()
        for folder in [whole, *whole.parents]:
            if folder.is_dir() and not folder.stat().st_mode & stat.S_IXOTH:
                return folder
    return None
