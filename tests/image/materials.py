"""What the image is made of here: a Debian for BASE_IMAGE, and a folder of wheels for a package index."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.image.commands import ROOT, WORK, BuildFailed, buildah, need, run, step

BASE_IMAGE = "localhost/webui-async-base:latest"
#: The Debian that the default BASE_IMAGE of Dockerfile.inference is made of.
RELEASE = "bookworm"
WHEELS = WORK / "wheels"
_STOCK = ROOT / "stable-diffusion-webui"
_BASE_TAR = WORK / "base.tar"


def ensure_base() -> None:
    """BASE_IMAGE is in our storage. Raises BuildFailed."""
    if run(buildah("images", "--quiet", "--filter", f"reference={BASE_IMAGE}")).strip():
        return
    if not _BASE_TAR.exists():
        need("debootstrap", "debootstrap")
        with step("a minimal Debian by debootstrap"):
            _bootstrap()
    with step("the base image"):
        container = run(buildah("from", "scratch")).strip()
        run(buildah("add", "--quiet", container, _BASE_TAR, "/"))
        run(buildah("commit", "--quiet", "--rm", container, BASE_IMAGE))


def _bootstrap() -> None:
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        rootfs = Path(folder) / "rootfs"
        run(["debootstrap", "--variant=minbase", RELEASE, rootfs, *_mirror()])
        shutil.rmtree(rootfs / "var/cache/apt/archives")
        for name in ("hostname", "resolv.conf"):
            (rootfs / "etc" / name).unlink()  # debootstrap copies this machine's
        unfinished = _BASE_TAR.with_suffix(".unfinished")
        run(["tar", "--create", "--file", unfinished, "--directory", rootfs, "."])
        unfinished.rename(_BASE_TAR)


def _mirror() -> list[str]:
    """This machine's own mirror of that Debian; nothing where it has none."""
    listed = run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Codename: {RELEASE}"]
    )
    return listed.split()[:1]


def ensure_wheels() -> None:
    """Every package of every stage is in WHEELS, from where this machine's pip has it. Raises BuildFailed."""
    if sys.version_info[:2] != (3, 11):
        raise BuildFailed(
            f"the image has Python 3.11, and this is {sys.version.split()[0]}: say make PYTHON=python3.11"
        )
    lock = ROOT / "requirements.lock"
    WHEELS.mkdir(exist_ok=True)
    _ensure(
        "serve",
        [ROOT / "serve/requirements.txt", ROOT / "diffusers_webui/requirements.txt", lock],
        ["--constraint", lock],
    )
    # In two: they want two versions of protobuf, one after the other, as the image installs them.
    _ensure("webui", [_STOCK / "requirements.txt"], ["--no-deps"])
    _ensure("ControlNet", [_STOCK / "requirements-controlnet.txt"], ["--no-deps"])


def _ensure(what: str, files: Sequence[Path], options: Sequence[str | Path]) -> None:
    """Nothing when WHEELS holds what these files ask for."""
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    stamp = WHEELS / f"{what}.stamp"
    if stamp.exists() and stamp.read_text() == digest:
        return
    with step(f"the wheels of {what}"):
        wanted = [word for file in files if file.suffix == ".txt" for word in ("--requirement", file)]
        run([sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", WHEELS, *wanted, *options])
    stamp.write_text(digest)
