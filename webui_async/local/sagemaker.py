"""SageMaker hosting on this machine: the endpoints of the control plane become processes.

Who creates an endpoint on the control plane (moto) gets instances here; who deletes it, updates it or changes
its DesiredInstanceCount is obeyed, and so are the scaling policies that are registered for it. The control
plane is told what is in service. Invocations come in over SageMaker's own runtime API.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from botocore.exceptions import BotoCoreError, ClientError

from webui_async.contract.scaling import Change
from webui_async.local.async_runtime import AsyncRuntime
from webui_async.local.autoscaling import Autoscaler, Load
from webui_async.local.control_plane import ACCOUNT
from webui_async.local.endpoint_spec import Wanted, read_wanted
from webui_async.local.errors import EndpointFailed, StackError
from webui_async.local.execution_role import Account
from webui_async.local.generation import Host
from webui_async.local.hosted import CREATING, IN_PROGRESS, Hosted
from webui_async.local.instance import Health, InstanceView, Timing, last_words
from webui_async.local.runtime_api import IsAllowed, RuntimeApi

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

logger = logging.getLogger(__name__)

SERVE_COMMAND = (sys.executable, "-m", "webui_async.local.checked", "serve")
DEFAULT_TIMING = Timing()
#: In the answer of serve's /ping once it has given up its engine.
_BROKEN = '"broken"'


class Hosting:
    """Serves SageMaker's runtime API at `url` and runs the instances, both in one thread of its own.

    Instances are tied to that thread: they end with stop(), and with the death of this process.
    """

    def __init__(
        self,
        account: Account,
        work_dir: Path,
        is_allowed: IsAllowed | None = None,
        command: Sequence[str] = SERVE_COMMAND,
        environment: Mapping[str, str] | None = None,
        timing: Timing = DEFAULT_TIMING,
        poll_s: float = 0.5,
        now: Callable[[], float] = time.time,
        scaling_speed: float = 1.0,
    ):
        """is_allowed: asked about every invocation; None allows all.

        command: the image's ENTRYPOINT; it is given the word `serve`, as SageMaker does.
        environment: what the image itself sets; this process's PATH when None.
        poll_s: how often the control plane is asked what it holds.
        scaling_speed: how many times faster than on AWS the minutes of scaling pass.
        """
        self._account = account
        self._sagemaker: SageMakerClient = account.client("sagemaker")
        image = {"PATH": os.environ.get("PATH", os.defpath)} if environment is None else environment
        self._host = Host(account, self._sagemaker, work_dir, command, image, timing, now)
        self._region, self._poll_s = account.region, poll_s
        self._hosted: dict[str, Hosted] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._autoscaler = Autoscaler(account, scaling_speed, work_dir / "logs" / "scaling.log", now)
        self._api = RuntimeApi(self._find, self._arn_of, is_allowed, now)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="hosting")

    # Called from any thread -----------------------------------------------------------------------------

    def start(self) -> None:
        """Raises StackError when the control plane does not take it as its hosting."""
        self._account.tell("hosting", {"is_here": True})
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        """Stop every instance: SIGTERM, and SIGKILL after 30 s."""
        with contextlib.suppress(RuntimeError):  # the thread has ended by itself, and its loop with it
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._loop.call_soon_threadsafe(self._poked.set)
        self._thread.join()
        with contextlib.suppress(StackError):  # it may be gone by now
            self._account.tell("hosting", {"is_here": False})

    def instances(self, endpoint: str) -> list[InstanceView]:
        """The endpoint's instances as they are now, oldest first."""
        hosted = self._hosted.get(endpoint)
        return hosted.views() if hosted else []

    def changes(self, endpoint: str) -> list[Change]:
        """What scaling policies have done to endpoints of that name, oldest first."""
        return self._autoscaler.changes(endpoint)

    def set_capacity(self, endpoint: str, count: int, timeout_s: float = 60.0) -> None:
        """Have `count` instances. It goes over the control plane, which is where capacity is kept.

        timeout_s: how long to wait for an endpoint that is Creating or Updating, and takes no capacity.
        Raises EndpointFailed when the control plane does not take it.
        """
        deadline = time.monotonic() + timeout_s
        try:
            described = self._sagemaker.describe_endpoint(EndpointName=endpoint)
            while described["EndpointStatus"] in IN_PROGRESS and time.monotonic() < deadline:
                time.sleep(0.05)
                described = self._sagemaker.describe_endpoint(EndpointName=endpoint)
            variant = (described.get("ProductionVariants") or [{"VariantName": "none"}])[0]
            self._sagemaker.update_endpoint_weights_and_capacities(
                EndpointName=endpoint,
                DesiredWeightsAndCapacities=[
                    {"VariantName": variant["VariantName"], "DesiredInstanceCount": count}
                ],
            )
        except (ClientError, BotoCoreError) as error:
            raise EndpointFailed(f"endpoint {endpoint!r} cannot have {count} instances: {error}") from error
        self._loop.call_soon_threadsafe(self._poked.set)

    def wait_in_service(self, endpoint: str, timeout_s: float) -> None:
        """Until an instance takes invocations. Raises EndpointFailed when one was lost, or time is up."""
        deadline = time.monotonic() + timeout_s
        while not self._is_serving(endpoint):
            hosted = self._hosted.get(endpoint)
            if hosted and hosted.trouble:
                raise EndpointFailed(hosted.trouble)
            for view in self.instances(endpoint):
                if _BROKEN in view.said:  # SageMaker would go on until the instance's time to start is over
                    raise EndpointFailed(f"instance {view.id} says {view.said}; {last_words(view.log)}")
            if time.monotonic() > deadline:
                logs = ", ".join(str(view.log) for view in self.instances(endpoint)) or "no instance at all"
                raise EndpointFailed(
                    f"endpoint {endpoint!r} has no instance in service after {timeout_s:g} s; see {logs}"
                )
            time.sleep(0.02)

    def _is_serving(self, endpoint: str) -> bool:
        hosted = self._hosted.get(endpoint)
        if hosted is None or hosted.status == CREATING:  # which nobody can delete or scale yet
            return False
        return any(view.health is Health.IN_SERVICE for view in hosted.views())

    # In the thread --------------------------------------------------------------------------------------

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping, self._poked = asyncio.Event(), asyncio.Event()
        self._looking = asyncio.Lock()
        config = uvicorn.Config(
            self._api.app, lifespan="off", ws="none", log_config=None, log_level="warning", access_log=False
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[self._socket]))
        scaling = asyncio.create_task(self._autoscaler.run(self._loads, self._poked.set))
        self._started.set()
        try:
            while not self._stopping.is_set():
                await self._look()
                await self._pause()
        finally:
            server.should_exit = True
            scaling.cancel()
            for name in list(self._hosted):
                self._close(name)
            await asyncio.gather(serving, *self._closing)
            await asyncio.gather(scaling, return_exceptions=True)

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._poked.wait(), self._poll_s)
        except TimeoutError:
            return
        self._poked.clear()

    async def _look(self) -> None:
        """Make what is hosted what the control plane lists."""
        async with self._looking:
            try:
                wanted = await asyncio.to_thread(self._list_wanted)
            except (ClientError, BotoCoreError) as error:
                logger.warning("the control plane does not answer: %s", error)
                return
            if self._stopping.is_set():
                return  # a late invocation must not open again what is being closed
            for name, hosted in list(self._hosted.items()):
                if name not in wanted or wanted[name].created_at != hosted.created_at:
                    self._close(name)
            for name, endpoint in wanted.items():
                if name not in self._hosted:
                    self._hosted[name] = Hosted(name, endpoint, self._host, self._poked.set)
                self._hosted[name].follow(endpoint)
            await self._tell()

    def _list_wanted(self) -> dict[str, Wanted]:
        pages = self._sagemaker.get_paginator("list_endpoints").paginate()
        names = [summary["EndpointName"] for page in pages for summary in page["Endpoints"]]
        return {name: read_wanted(self._sagemaker, name) for name in names}

    async def _tell(self) -> None:
        """Let the control plane know what is in service, and what cannot be brought up."""
        for name, hosted in list(self._hosted.items()):
            report = hosted.report()
            if report is None:
                continue
            try:
                answer = await asyncio.to_thread(self._account.tell, f"endpoints/{name}", report)
            except StackError as error:
                logger.warning("%s", error)
                return
            hosted.heard(report, answer["status"])

    def _loads(self) -> list[Load]:
        loads = ((hosted, hosted.load) for hosted in list(self._hosted.values()))
        return [Load(hosted.name, hosted.created_at, *load) for hosted, load in loads if load]

    def _close(self, name: str) -> None:
        task = asyncio.create_task(self._hosted.pop(name).close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _find(self, name: str) -> AsyncRuntime | None:
        if name not in self._hosted:
            await self._look()  # it may have been created just now
        hosted = self._hosted.get(name)
        return await hosted.runtime() if hosted else None

    def _arn_of(self, name: str) -> str:
        return f"arn:aws:sagemaker:{self._region}:{ACCOUNT}:endpoint/{name}"
