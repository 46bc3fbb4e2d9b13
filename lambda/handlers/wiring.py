"""What every function is wired to: settings read once, clients made when first used."""

from __future__ import annotations

import functools
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from webui_async.contract.settings import HandlerSettings, read_settings
from webui_async.retry import Queue
from webui_async.store import Store

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

#: Three tries are what a 29 s API call can bear.
_CONFIG = Config(retries={"mode": "standard", "max_attempts": 3}, connect_timeout=2, read_timeout=8)
#: Presigned links need SigV4, and the bucket's own region in the host: the global one redirects, which breaks
#: the signature.
_S3_CONFIG = _CONFIG.merge(
    Config(
        signature_version="s3v4",
        s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"},
    )
)


def _make_client(name: str) -> Any:
    return boto3.client(name, config=_S3_CONFIG if name == "s3" else _CONFIG)  # type: ignore[call-overload]


@dataclass(frozen=True)
class Wiring:
    """One function's world. Tests make their own; `wiring()` makes the real one."""

    settings: HandlerSettings
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[int], bytes] = secrets.token_bytes
    make_client: Callable[[str], Any] = _make_client

    @functools.cached_property
    def store(self) -> Store:
        return Store(self.make_client("s3"), self.settings.bucket)

    @functools.cached_property
    def queue(self) -> Queue:
        return Queue(self.make_client("sagemaker-runtime"), self.now)

    @functools.cached_property
    def sns(self) -> SNSClient:
        client: SNSClient = self.make_client("sns")
        return client

    @functools.cached_property
    def sqs(self) -> SQSClient:
        client: SQSClient = self.make_client("sqs")
        return client

    @functools.cached_property
    def secrets(self) -> SecretsManagerClient:
        client: SecretsManagerClient = self.make_client("secretsmanager")
        return client


@functools.cache
def wiring() -> Wiring:
    """The wiring of this process, from its environment."""
    return Wiring(read_settings(HandlerSettings, os.environ))
