"""The bucket's server, once for all; containers as a test asks for them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.serve.harness import BUCKET, REGION, Container, free_port, open_store, wait_for


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _answers(url))
        place: Any = {"LocationConstraint": REGION}
        open_store(url).s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
        yield url
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/moto-api/", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def _open_place() -> Iterator[Path]:
    """A folder that every user may enter, which pytest's own are not."""
    place = Path(tempfile.mkdtemp(prefix="serve-"))
    place.chmod(0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def open_place() -> Iterator[Path]:
    with _open_place() as place:
        yield place


@pytest.fixture
def start(open_place: Path, s3_url: str) -> Iterator[Callable[..., Container]]:
    """start(engine, flags, **settings) -> a container that may still be starting."""
    containers: list[Container] = []

    def start(engine: str = "fixed_delay.py", flags: str = "", **settings: Any) -> Container:
        container = Container(open_place, s3_url, engine, flags, **settings)
        containers.append(container)
        return container

    yield start
    for container in containers:
        container.close()


@pytest.fixture(scope="module")
def container(s3_url: str) -> Iterator[Container]:
    """One container for the tests of a module that do it no harm. It draws in half a second."""
    with _open_place() as place:
        container = Container(place, s3_url, "fixed_delay.py", "--delay 0.5", instance_usd_per_hour=3.6)
        try:
            yield container.wait_ready()
        finally:
            container.close()
