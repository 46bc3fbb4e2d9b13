"""Builds the image, then starts it, and holds it to its tests: `python -m tests.image [WORD...]`."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tests.image.build import IMAGE, build_image, build_stock_python
from tests.image.commands import ROOT, WORK, BuildFailed, need, release_storage
from tests.image.materials import ensure_base, ensure_wheels


def main(arguments: list[str]) -> int:
    """The exit code."""
    started = time.monotonic()
    try:
        _build()
        print(f"image: built in {time.monotonic() - started:.0f} s; now it is started", flush=True)
        command = [sys.executable, "-m", "pytest", "tests/image", *arguments]
        return subprocess.run(command, cwd=ROOT, env=os.environ | {"IMAGE": IMAGE}).returncode
    except BuildFailed as error:
        print(f"image: {error}", file=sys.stderr)
        return 1
    finally:
        release_storage()


def _build() -> None:
    """Everything that needs no GitHub. Raises BuildFailed."""
    _check_machine()
    ensure_base()
    ensure_wheels()
    build_image()
    build_stock_python()


def _check_machine() -> None:
    """Raises BuildFailed when this machine cannot build."""
    need("buildah", "buildah")
    if os.geteuid() != 0:
        raise BuildFailed("debootstrap and buildah's chroot isolation need root: run make image as root")
    WORK.mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
