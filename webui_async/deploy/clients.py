"""The AWS clients of the deployer, each made when it is needed."""

from __future__ import annotations

import os
import threading
from typing import Any, Protocol

import boto3
from botocore.config import Config

from webui_async.deploy.aws_errors import told

#: AWS's Price List has few regions, and says the prices of all. Source: its user guide, "Endpoints".
PRICING_REGION = "us-east-1"
_CONFIG = Config(
    connect_timeout=5,
    read_timeout=20,
    max_pool_connections=20,
    retries={"mode": "standard", "max_attempts": 5},
)
#: What only embellishes a plan must not hold it up.
_HURRIED = Config(connect_timeout=2, read_timeout=4, retries={"mode": "standard", "max_attempts": 1})
_EMBELLISHING = ("pricing", "service-quotas")


class Clients(Protocol):
    """Where the deployer gets its clients from. The local stack's control plane is one too."""

    region: str

    def client(self, name: str) -> Any:
        """A boto3 client of the service."""


class Aws:
    """Clients with the credentials and the region of this machine."""

    def __init__(self, session: boto3.Session | None = None):
        """Raises CredentialsRefused and AwsRefused when there are none."""
        with told("sts"):
            # boto3 knows AWS_DEFAULT_REGION alone; every other SDK and the CLI know AWS_REGION.
            self._session = session or boto3.Session(region_name=os.environ.get("AWS_REGION") or None)
            self.region = self._session.region_name or ""
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}

    def client(self, name: str) -> Any:
        """The one client of the service."""
        with self._lock:  # making clients is not thread safe, using them is
            if name not in self._clients:
                self._clients[name] = self._make(name)
            return self._clients[name]

    def _make(self, name: str) -> Any:
        config = _HURRIED if name in _EMBELLISHING else _CONFIG
        region = PRICING_REGION if name == "pricing" else None
        with told(name):
            return self._session.client(name, config=config, region_name=region)  # type: ignore[call-overload]
