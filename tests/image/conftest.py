"""The built image, started once. `make image` asks for these tests; a plain pytest leaves them out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.serve.conftest import s3_url  # noqa: F401  the same S3 server as the e2e tests have
from tests.image.running import RunningImage, read_config

collect_ignore_glob = [] if os.environ.get("IMAGE") else ["test_*.py"]


@pytest.fixture(scope="session")
def config() -> dict[str, object]:
    """The image's own configuration: entry point, environment, labels."""
    return read_config(os.environ["IMAGE"])


@pytest.fixture(scope="session")
def container(tmp_path_factory: pytest.TempPathFactory, s3_url: str) -> Iterator[RunningImage]:  # noqa: F811
    """The image, started with `serve` as SageMaker does it, and ready."""
    with RunningImage(os.environ["IMAGE"], tmp_path_factory.mktemp("image"), s3_url) as running:
        yield running.wait_ready()


@pytest.fixture(scope="session")
def rootfs(container: RunningImage) -> Path:
    """The container's file system as this machine sees it."""
    return container.rootfs
