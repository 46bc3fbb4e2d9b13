"""The stages of Dockerfile.inference that need no GitHub, and the image of ENGINE=diffusers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import webui_async
from tests.image.commands import ROOT, buildah, keeps_layers, run, step
from tests.image.materials import BASE_IMAGE, WHEELS

IMAGE = "localhost/webui-async-inference:latest"
_STOCK_PYTHON = "localhost/webui-async-stock-python:latest"


def build_stock_python() -> None:
    """torch, its CUDA and the stock webui's packages, imported once on the base."""
    with step("stage stock-python: the stock webui's packages"):
        _build(_STOCK_PYTHON, "--target", "stock-python")


def build_image() -> None:
    """The image as it is deployed, with diffusers_webui for an engine."""
    with step("the image with ENGINE=diffusers"):
        _build(IMAGE, "--build-arg", "ENGINE=diffusers")


def _build(tag: str, *options: str) -> None:
    """Raises BuildFailed."""
    arguments = {
        "BASE_IMAGE": BASE_IMAGE,
        "VERSION": webui_async.__version__,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "/mnt",  # is there already: a new place would stay in the image
    }
    given = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    place = ("--file", ROOT / "Dockerfile.inference", "--volume", f"{WHEELS}:/mnt:ro", "--tag", tag)
    how = ("--isolation=chroot", "--format=docker", "--pull-never", "--force-rm")
    kept = f"--layers={keeps_layers()}".lower()
    run(buildah("build", *how, kept, *place, *given, *options, ROOT), on_line=_tell_steps(time.monotonic()))


def _tell_steps(started: float) -> Callable[[str], None]:
    """Prints each instruction of the Dockerfile, and when it began."""

    def tell(line: str) -> None:
        if match := re.match(r"(\[\d/\d\] )?STEP \d+/\d+: ((?:FROM|RUN|COPY) .*)", line):
            print(f"image: {time.monotonic() - started:6.0f} s  {match[2][:90]}", flush=True)

    return tell
