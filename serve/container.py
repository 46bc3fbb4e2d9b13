"""The container's world: what every job in it is drawn with."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import boto3
from botocore.config import Config

from serve.model_tree import ModelTree
from serve.on_demand import FETCHES, OnDemand
from serve.publishing import Publisher
from serve.scheduler import Scheduler
from serve.supervisor import Supervisor
from serve.turns import Turns
from webui_async.contract.fields import Limits
from webui_async.contract.settings import ServeSettings
from webui_async.store import Store

#: K jobs with a heartbeat each, and their pictures. Fetches have threads of their own.
MAX_THREADS = 32


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
    s3 = boto3.client("s3", region_name=os.environ.get("AWS_REGION"), config=_s3_config(settings))
    store = Store(s3, settings.bucket)
    tree = ModelTree(settings)
    on_demand = OnDemand(store, tree, settings)
    publisher = Publisher(store, settings.endpoint, on_demand, tree)
    supervisor = Supervisor(settings, os.environ, on_demand, publisher.publish)
    turns = Turns(lambda: supervisor.loaded_checkpoint, settings.affinity_max_run, settings.watch_s)
    return Container(settings, store, supervisor, Scheduler(settings.max_jobs), turns, tree, on_demand)


def _s3_config(settings: ServeSettings) -> Config:
    return Config(
        retries={"mode": "standard", "max_attempts": 3},
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=MAX_THREADS + FETCHES * settings.fetch_parts,
    )
