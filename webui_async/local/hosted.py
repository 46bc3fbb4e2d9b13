"""One endpoint of the control plane, from its creation to its deletion."""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from webui_async.contract.errors import PipelineError
from webui_async.local.async_runtime import AsyncRuntime
from webui_async.local.endpoint_spec import EndpointSpec, read_spec
from webui_async.local.execution_role import Account, ExecutionRole
from webui_async.local.fleet import Fleet
from webui_async.local.instance import Instance, InstanceView, Timing
from webui_async.local.machine import closed_to_others, free_ports
from webui_async.local.model_data import fetch

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Host:
    """What all endpoints on this machine share."""

    account: Account
    sagemaker: SageMakerClient
    work_dir: Path
    command: Sequence[str]  #: the image's ENTRYPOINT
    image_environment: Mapping[str, str]  #: what the image itself sets
    timing: Timing
    now: Callable[[], float]

    @functools.cached_property
    def ports(self) -> Iterator[int]:
        return free_ports()

    @functools.cached_property
    def engine_user(self) -> dict[str, str]:
        """A setting for serve when the engine cannot run as a user of its own here."""
        closed = closed_to_others(self.work_dir) if os.geteuid() == 0 else None
        if closed is None:
            return {}
        logger.warning("engines run as root: no other user of this machine may enter %s", closed)
        return {"WEBUI_ASYNC_ENGINE_UID": "0"}


class Hosted:
    """Its queue and its instances, once they can be had."""

    def __init__(self, name: str, created_at: datetime, host: Host):
        self.name, self.created_at, self._host = name, created_at, host
        self.failure: str | None = None  #: why it cannot be brought up
        self._capacity = 0
        self._numbers = itertools.count(1)
        self._fleet: Fleet | None = None
        self._runtime: AsyncRuntime | None = None
        self._http = httpx.AsyncClient(
            # A kept connection may be closed by the container just as the next invocation is sent.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            timeout=httpx.Timeout(None, connect=5.0),
            trust_env=False,
        )
        self._opening = asyncio.create_task(self._open())

    def views(self) -> list[InstanceView]:
        return self._fleet.views() if self._fleet else []

    @property
    def trouble(self) -> str | None:
        """Why it does not work, as far as is known."""
        return self.failure or (self._fleet.failure if self._fleet else None)

    async def runtime(self) -> AsyncRuntime | None:
        """Its queue, as soon as its model data is here; None when it cannot be brought up."""
        await asyncio.shield(self._opening)
        return self._runtime

    def follow(self, capacity: int) -> None:
        """Have that many instances, and look after the queue."""
        if self._fleet and self._runtime:
            if capacity != self._capacity:
                self._fleet.set_capacity(capacity)
            self._runtime.dispatch()
        self._capacity = capacity

    async def close(self) -> None:
        """Nothing of it is left afterwards."""
        await self._opening
        if self._fleet and self._runtime:
            await asyncio.gather(self._fleet.close(), self._runtime.close())
        await self._http.aclose()

    async def _open(self) -> None:
        try:
            spec, role, model_dir = await asyncio.to_thread(self._prepare)
        except PipelineError as error:
            self.failure = f"endpoint {self.name!r} cannot be brought up: {error}"
            logger.error(self.failure)
            return
        make = functools.partial(self._make_instance, spec, role, model_dir)
        self._fleet = Fleet(make, self._host.timing, self._on_ready)
        self._runtime = AsyncRuntime(spec, role, self._fleet, self._http, self._host.now)
        self._fleet.set_capacity(self._capacity)

    def _prepare(self) -> tuple[EndpointSpec, ExecutionRole, Path]:
        spec = read_spec(self._host.sagemaker, self.name)
        role = ExecutionRole(spec.role_arn, self._host.account)
        if spec.model_data is not None:
            return spec, role, fetch(role.s3, spec.model_data, self._host.work_dir / "packs")
        empty = self._host.work_dir / "packs" / "none"
        empty.mkdir(parents=True, exist_ok=True)
        return spec, role, empty

    def _on_ready(self) -> None:
        if self._runtime:
            self._runtime.dispatch()

    def _make_instance(self, spec: EndpointSpec, role: ExecutionRole, model_dir: Path) -> Instance:
        instance_id = f"{self.name}-{next(self._numbers)}"
        folder = self._host.work_dir / "instances" / instance_id
        port = next(self._host.ports)
        environment = {
            **self._host.image_environment,
            **spec.environment,
            **role.environment,
            "HOME": str(folder / "data"),
            "TMPDIR": str(folder / "tmp"),
            "WEBUI_ASYNC_HOST": "127.0.0.1",
            "WEBUI_ASYNC_PORT": str(port),
            "WEBUI_ASYNC_ENGINE_PORT": str(next(self._host.ports)),
            "WEBUI_ASYNC_MODEL_DIR": str(model_dir),
            "WEBUI_ASYNC_DATA_DIR": str(folder / "data"),
            "WEBUI_ASYNC_FETCHED_DIR": str(folder / "fetched"),
            "WEBUI_ASYNC_INSTANCE": instance_id,
            **self._host.engine_user,
        }
        command = (*self._host.command, "serve")  # the word that SageMaker passes
        return Instance(instance_id, command, environment, folder, port, spec.startup_s, self._host.timing)
