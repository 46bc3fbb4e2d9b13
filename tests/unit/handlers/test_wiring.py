"""The real clients, as far as they can be looked at without AWS."""

from __future__ import annotations

import boto3
import pytest
from handlers.wiring import Wiring

from webui_async.contract.settings import HandlerSettings


@pytest.mark.parametrize("region", ["eu-central-1", "us-east-1"])
def test_a_link_leads_to_the_buckets_own_region(monkeypatch: pytest.MonkeyPatch, region: str) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    store = Wiring(HandlerSettings("art")).store
    assert store.presign_get("k", 60).startswith(f"https://art.s3.{region}.amazonaws.com/k?")
    assert store.presign_put("k", 60, 7, "image/png").startswith(f"https://art.s3.{region}.amazonaws.com/k?")


def test_a_link_leads_to_the_endpoint_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:5000")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    link = Wiring(HandlerSettings("art")).store.presign_get("k", 60)
    assert link.startswith("http://127.0.0.1:5000/art/k?")
