"""Commands of the build: each one's time is told, and its output only when it fails."""

from __future__ import annotations

import functools
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Everything that is built; git knows nothing of it.
WORK = ROOT / "build" / "image"
_TAIL_LINES = 40


class BuildFailed(Exception):
    """A step of the build that went wrong, in words for whoever waits for it."""


@contextmanager
def step(name: str) -> Iterator[None]:
    """Says what is done, and afterwards how long it took."""
    print(f"image: {name} …", flush=True)
    started = time.monotonic()
    yield
    print(f"image: {name}: {time.monotonic() - started:.0f} s", flush=True)


def run(command: Sequence[str | Path], on_line: Callable[[str], None] | None = None) -> str:
    """What the command wrote. on_line gets each line as it comes. Raises BuildFailed with the last ones."""
    words = [str(word) for word in command]
    lines = []
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            lines.append(line)
            if on_line:
                on_line(line.rstrip())
    if process.returncode:
        tail = "".join(lines[-_TAIL_LINES:])
        raise BuildFailed(f"{' '.join(words[:6])} … ended with code {process.returncode}:\n{tail}")
    return "".join(lines)


def buildah(*words: str | Path) -> list[str | Path]:
    """A buildah command on storage of our own."""
    return [*_on_storage(_storage_driver()), *words]


def keeps_layers() -> bool:
    """Whether unchanged instructions of a Dockerfile are better taken from the last build."""
    return _storage_driver() == "overlay"


def _on_storage(driver: str) -> list[str | Path]:
    folder = WORK / "storage" / driver
    return ["buildah", "--root", folder, "--runroot", folder / "run", "--storage-driver", driver]


@functools.cache
def _storage_driver() -> str:
    """overlay where the kernel lets us; else vfs, which copies the whole file system for every stage."""
    probe = subprocess.run([*_on_storage("overlay"), "info"], capture_output=True)
    return "vfs" if probe.returncode else "overlay"


def release_storage() -> None:
    """Nothing is mounted any more: buildah leaves a folder mounted on itself, which no `rm` removes."""
    folder = WORK / "storage" / "overlay" / "overlay"
    if folder.is_mount():
        run(["umount", folder])


def need(command: str, package: str) -> None:
    """Raises BuildFailed when a command is missing."""
    if shutil.which(command) is None:
        raise BuildFailed(f"{command} is not installed: apt-get install {package}")
