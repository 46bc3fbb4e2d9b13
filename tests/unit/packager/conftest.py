"""A bucket of moto's behind a client whose requests are seen."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from tests.unit.packager.wire import BUCKET, Wire
from webui_async.store import Store


@pytest.fixture
def wire() -> Iterator[Wire]:
    """An empty bucket, reached without any second try."""
    with mock_aws():
        config = Config(retries={"total_max_attempts": 1}, s3={"payload_signing_enabled": False})
        s3 = boto3.client("s3", config=config)
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield Wire(s3)


@pytest.fixture
def store(wire: Wire) -> Store:
    return Store(wire.client, BUCKET)
