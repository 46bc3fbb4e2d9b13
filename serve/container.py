"""The container's world: what every job in it is drawn with."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

from serve.model_tree import ModelTree
from serve.on_demand import OnDemand
from serve.scheduler import Scheduler
from serve.supervisor import Supervisor
from serve.turns import Turns
from webui_async.contract import keys
from webui_async.contract.fields import Limits
from webui_async.contract.settings import ServeSettings
from webui_async.store import Store

#: As many connections as there are threads to use them: K jobs with a heartbeat each, and their pictures.
MAX_THREADS = 32
_S3_CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 3},
    connect_timeout=5,
    read_timeout=60,
    max_pool_connections=MAX_THREADS,
)


def _new_run() -> str:
    return secrets.token_hex(4)


@dataclass(frozen=True)
class Container:
    """Everything that is passed down. Tests make their own; `make_container()` makes the real one."""

    settings: ServeSettings
    store: Store
    supervisor: Supervisor
    scheduler: Scheduler
    turns: Turns
    tree: ModelTree
    on_demand: OnDemand
    now: Callable[[], float] = time.time
    new_run: Callable[[], str] = _new_run  #: names one execution: 8 hex digits

    @property
    def limits(self) -> Limits:
        return Limits(max_pixel_steps=self.settings.max_pixel_steps)

    @property
    def instance(self) -> str:
        """This container's name in progress.json."""
        return self.settings.instance or socket.gethostname()


def make_container(settings: ServeSettings) -> Container:
    """The real one, with the credentials that boto3 finds by itself."""
    # SageMaker names the region in AWS_REGION, where boto3 does not look.
    s3 = boto3.client("s3", region_name=os.environ.get("AWS_REGION"), config=_S3_CONFIG)
    store = Store(s3, settings.bucket)
    tree = ModelTree(settings)
    on_demand = OnDemand(store, tree, settings)

    async def publish(catalog: Mapping[str, Any]) -> None:
        held = on_demand.extended(catalog)
        await asyncio.to_thread(store.put_json, keys.catalog(settings.endpoint), held)

    supervisor = Supervisor(settings, os.environ, on_demand, publish)
    turns = Turns(lambda: supervisor.loaded_checkpoint, settings.affinity_max_run, settings.watch_s)
    return Container(settings, store, supervisor, Scheduler(settings.max_jobs), turns, tree, on_demand)
