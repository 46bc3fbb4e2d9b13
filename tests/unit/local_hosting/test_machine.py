"""Ports and reach on one machine."""

from __future__ import annotations

import itertools
import socket
from pathlib import Path

from webui_async.local.machine import closed_to_others, free_ports


def test_ports_are_free_and_none_comes_twice() -> None:
    ports = free_ports()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", next(ports) + 1))
        taken.listen()
        found = list(itertools.islice(ports, 20))
        assert taken.getsockname()[1] not in found
    assert len(set(found)) == 20


def test_a_folder_that_others_cannot_enter_is_named(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    (hidden / "work").mkdir(parents=True)
    hidden.chmod(0o700)
    assert closed_to_others(hidden / "work") is not None
