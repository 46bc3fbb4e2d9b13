"""Processes that live as long as we do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import webui_async

#: What a child of ours inherits; everything else it is given by name.
_INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "VIRTUAL_ENV",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
)
_OURS = {
    "PYTHONPATH": str(Path(webui_async.__file__).parents[1]),
    "PYTHONUNBUFFERED": "1",
    "NO_PROXY": "127.0.0.1,localhost",
}


def start_module(
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    log: IO[Any],
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """`python -m module`, talking JSON lines over its standard input and output; errors go to `log`.

    Children end when their standard input closes, so also when we are killed. They get a session of their
    own, since Ctrl-C is ours to handle.
    """
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        cwd=cwd,
        env=inherited | _OURS | dict(environment),
        start_new_session=True,
    )


def end(process: subprocess.Popen[bytes], grace_s: float = 2.0) -> None:
    """Close the child's input, then kill what is still there; no pipe stays open."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            try:
                stream.close()
            except OSError:  # what was still to be written has no reader any more
                pass
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
