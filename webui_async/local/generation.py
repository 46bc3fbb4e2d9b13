"""One endpoint configuration brought up: its model data here, its instances running, their logs shipped.

An endpoint has one, and a second one beside it while it is updated.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from webui_async.contract.errors import PipelineError
from webui_async.local.async_runtime import Variant
from webui_async.local.endpoint_spec import EndpointSpec, Wanted, read_spec
from webui_async.local.execution_role import Account, ExecutionRole
from webui_async.local.fleet import Fleet
from webui_async.local.instance import Instance, InstanceView, Timing
from webui_async.local.instance_logs import InstanceLog, LogShipper
from webui_async.local.machine import closed_to_others, free_ports
from webui_async.local.model_data import fetch

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

logger = logging.getLogger(__name__)

#: Where SageMaker has what the instances of an endpoint print.
LOG_GROUP = "/aws/sagemaker/Endpoints/{endpoint}"


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
    #: of instances, by the endpoint's name: an endpoint made anew does not share folders with the one before
    numbers: defaultdict[str, Iterator[int]] = field(default_factory=lambda: defaultdict(lambda: count(1)))

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


class Generation:
    """Has instances as soon as it can; `variant` is there once they have begun to start."""

    def __init__(self, name: str, wanted: Wanted, host: Host, on_change: Callable[[], None]):
        """name: the endpoint's. on_change: called when it may have come up, changed or failed."""
        self.config = wanted.config
        self.variant: Variant | None = None
        self._name, self._arn, self._host, self._on_change = name, wanted.arn, host, on_change
        self._capacity = wanted.capacity
        self._refusal: str | None = None
        self._shipper: LogShipper | None = None
        self._opening = asyncio.create_task(self._open())

    @property
    def trouble(self) -> str | None:
        """Why it has no instance, as far as is known."""
        return self._refusal or (self.variant.fleet.failure if self.variant else None)

    @property
    def failure(self) -> str | None:
        """The same, once it is no use to wait any longer."""
        has_given_up = self.variant is not None and self.variant.fleet.has_given_up
        return self.trouble if self._refusal or has_given_up else None

    @property
    def in_service(self) -> int:
        return self.variant.fleet.in_service if self.variant else 0

    @property
    def is_up(self) -> bool:
        """Whether it has all the instances that it is to have."""
        return self.variant is not None and self.in_service == self._capacity

    def views(self) -> list[InstanceView]:
        return self.variant.fleet.views() if self.variant else []

    def set_capacity(self, capacity: int) -> None:
        self._capacity = capacity
        if self.variant:
            self.variant.fleet.set_capacity(capacity)

    async def opened(self) -> None:
        """Returns once `variant` is there, or cannot be."""
        await asyncio.shield(self._opening)

    async def close(self) -> None:
        """No instance of it is left afterwards."""
        self._capacity = 0
        await self._opening
        if self.variant and self._shipper:
            await self.variant.fleet.close()
            await self._shipper.close()

    async def _open(self) -> None:
        try:
            spec, role, model_dir = await asyncio.to_thread(self._prepare)
        except PipelineError as error:
            self._refusal = f"endpoint {self._name!r} cannot be brought up: {error}"
            logger.error(self._refusal)
        else:
            self._shipper = shipper = LogShipper(functools.partial(self._make_log, spec, role))
            make = functools.partial(self._make_instance, spec, role, model_dir, shipper)
            fleet = Fleet(make, self._host.timing, self._on_change, shipper.finish)
            self.variant = Variant(spec, role, fleet)
            fleet.set_capacity(self._capacity)
        self._on_change()

    def _prepare(self) -> tuple[EndpointSpec, ExecutionRole, Path]:
        spec = read_spec(self._host.sagemaker, self._name, self._arn, self.config)
        role = ExecutionRole(spec.role_arn, self._host.account)
        if spec.model_data is not None:
            return spec, role, fetch(role.s3, spec.model_data, self._host.work_dir / "packs")
        empty = self._host.work_dir / "packs" / "none"
        empty.mkdir(parents=True, exist_ok=True)
        return spec, role, empty

    def _make_instance(
        self, spec: EndpointSpec, role: ExecutionRole, model_dir: Path, shipper: LogShipper
    ) -> Instance:
        instance_id = f"{self._name}-{next(self._host.numbers[self._name])}"
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
        instance = Instance(
            instance_id, command, environment, folder, port, spec.startup_s, self._host.timing
        )
        shipper.follow(instance)
        return instance

    def _make_log(self, spec: EndpointSpec, role: ExecutionRole, instance: Instance) -> InstanceLog:
        group, stream = LOG_GROUP.format(endpoint=self._name), f"{spec.variant}/{instance.id}"
        return InstanceLog(role.logs, group, stream, instance.log, self._host.now)
