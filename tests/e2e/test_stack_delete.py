"""`webui-async stack delete` on the running local stack: afterwards no service lists anything of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest

from tests.e2e.road import COMMAND, Road, eventually
from webui_async.contract.job import Status
from webui_async.deploy.inventory import ours
from webui_async.local.cloud import STACK
from webui_async.local.stack import ENDPOINT, ROOT


def command(road: Road, *words: str) -> subprocess.CompletedProcess[str]:
    """`webui-async …`, run as the account's administrator against the local control plane."""
    plane = road.stack.cloud.plane
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "AWS_ENDPOINT_URL": plane.endpoint_url,
        "AWS_DEFAULT_REGION": plane.region,
        **plane.admin.environment(),
    }
    line = [sys.executable, "-c", COMMAND, *words]
    return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=180)


def test_a_used_stack_is_removed_without_a_trace(
    make_road: Callable[..., Road], caplog: pytest.LogCaptureFixture
) -> None:
    road = make_road()
    plane = road.stack.cloud.plane
    plane.client("ecr").create_repository(repositoryName="webui-async-training")  # beside the container's
    assert road.wait(road.submit().id).status is Status.SUCCEEDED
    assert "packs/local" in command(road, "models", "list", "--stack", STACK).stdout
    assert len(ours(plane, STACK, ENDPOINT)) > 30

    refused = command(road, "stack", "delete", "--stack", STACK, "--with-bucket", "--with-images", "--yes")
    assert refused.returncode == 1 and "webui-async endpoint delete" in refused.stderr
    assert httpx.get(f"{road.stack.api_url}/health", trust_env=False).status_code == 200

    deleted = command(road, "endpoint", "delete", "--stack", STACK)
    assert deleted.returncode == 0, deleted.stderr
    eventually(lambda: not road.stack.hosting.instances(ENDPOINT), 60.0)
    done = command(road, "stack", "delete", "--stack", STACK, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"kept: S3 bucket {road.stack.store.bucket}" in done.stdout
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{road.stack.api_url}/health", trust_env=False)

    done = command(road, "stack", "delete", "--stack", STACK, "--with-bucket", "--with-images", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "AWS lists nothing else of this stack's" in done.stdout
    assert ours(plane, STACK, ENDPOINT) == []
    assert plane.client("s3").list_buckets()["Buckets"] == []
    assert "cannot be removed" not in caplog.text
