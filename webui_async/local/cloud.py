"""The AWS side of one machine, driven by the template.

cloud = Cloud.start(work_dir)
try:
    cloud.deploy(Path("template.yaml"), {"ApiUrl": cloud.api_url}, runtime_url)
    ...
finally:
    cloud.stop()
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webui_async.local.control_plane import REGION, ControlPlane, Credentials
from webui_async.local.deployed import ApiKey, Deployed
from webui_async.local.deployment import deploy_template, record_stack
from webui_async.local.errors import FunctionFailed, StackError
from webui_async.local.events import QueueReader, Scheduler
from webui_async.local.functions import FunctionPool, function_environment
from webui_async.local.gateway import Gateway, listen
from webui_async.local.iam import Permissions
from webui_async.local.metering import Metering
from webui_async.local.teardown import StackWatch, remove_all

STACK = "webui-async"
#: Processes per function at most: those behind the API hold lines, the others work in batches.
_API_CONCURRENCY, _BATCH_CONCURRENCY = 16, 4


class Cloud:
    """Control plane, functions, API and events of one stack. `stop` it whatever happens."""

    def __init__(self, plane: ControlPlane, listener: socket.socket, work_dir: Path):
        self.plane, self.work_dir = plane, work_dir
        self.permissions = Permissions(plane)
        self.deployed = Deployed()
        self._gateway = Gateway(listener)
        self._pools: dict[str, FunctionPool] = {}
        self._readers: list[QueueReader] = []
        self._scheduler = Scheduler((), self.invoke)
        self._metering: Metering | None = None
        self._watch: StackWatch | None = None

    @classmethod
    def start(cls, work_dir: Path, port: int = 0, region: str = REGION) -> Cloud:
        """A control plane that answers, and the API's address, which nobody answers yet.

        Raises StackError when the port is taken or the control plane does not come up.
        """
        listener = listen(port)
        try:
            plane = ControlPlane.start(work_dir, region)
        except StackError:
            listener.close()
            raise
        return cls(plane, listener, work_dir)

    def deploy(
        self,
        template_path: Path,
        parameters: Mapping[str, str],
        runtime_url: str,
        stack: str = STACK,
    ) -> Deployed:
        """Make what the template says, start its functions, and serve its API, queues and schedules.

        The control plane has the stack by its name from then on; who deletes it there takes all of it down.
        runtime_url: where InvokeEndpointAsync is served; it may begin to answer later.
        Raises TemplateError, and StackError when a function cannot be imported.
        """
        self.deployed = deploy_template(self.plane, template_path, parameters, stack)
        self._start_functions(runtime_url)
        self._metering = Metering(self.deployed.api_keys, self.deployed.usage_plans, self._gateway.now)
        stages = {stage: self.deployed.apis[api_id] for stage, api_id in self.deployed.stages.items()}
        self._gateway.start(stages, self._metering, self.invoke)
        self._start_events()
        self._watch = StackWatch(self.plane, record_stack(self.plane, stack, self.deployed), self._take_down)
        self._watch.start()
        return self.deployed

    def stop(self) -> None:
        """End everything that `start` and `deploy` started."""
        if self._watch is not None:
            self._watch.stop()
        self._stop_serving()
        self.plane.stop()
        for reader in self._readers:
            reader.join(5.0)

    def _stop_serving(self) -> None:
        self._scheduler.stop()
        for reader in self._readers:
            reader.stop()
        for pool in self._pools.values():
            pool.stop()
        self._gateway.stop()

    def _take_down(self) -> None:
        self._stop_serving()
        remove_all(self.plane, self.deployed.resources)

    @property
    def endpoint_url(self) -> str:
        """Where the control plane answers: AWS_ENDPOINT_URL."""
        return self.plane.endpoint_url

    @property
    def api_url(self) -> str:
        """Where the API answers, its stage included; before `deploy` the stage is taken to be v1."""
        stage = next(iter(self.deployed.stages), "v1")
        return f"http://127.0.0.1:{self._gateway.port}/{stage}"

    @property
    def api_key(self) -> ApiKey:
        """The template's own key. Raises StackError when the template has none."""
        for key in self.deployed.api_keys.values():
            return key
        raise StackError("the template makes no API key")

    def add_api_key(self, name: str) -> ApiKey:
        """A further key on the template's usage plans: another owner."""
        if self._metering is None:
            raise StackError("nothing is deployed yet, so there is no API to open")
        return self._metering.add_key(name)

    def client(self, service: str, credentials: Credentials | None = None) -> Any:
        """A boto3 client of the control plane, as the administrator unless told otherwise."""
        return self.plane.client(service, credentials)

    def invoke(self, name: str, event: Any) -> Any:
        """What the function returns for the event. The name is the template's or the function's own.

        Raises FunctionFailed.
        """
        return self._pool(name).invoke(event)

    def run_schedule(self, name: str) -> Any:
        """What the schedule's function returns, invoked now; the name is the template's."""
        return self._scheduler.run(name)

    def function_log(self, name: str) -> Path:
        """What the function's processes have printed."""
        return self._pool(name).log_path

    def function_pids(self, name: str) -> list[int]:
        """The processes of the function that live now."""
        return self._pool(name).pids

    def _pool(self, name: str) -> FunctionPool:
        function = self.deployed.functions.get(name)
        pool = self._pools.get(function.name if function else name)
        if pool is None:
            known = ", ".join(sorted(self._pools)) or "none"
            raise StackError(f"there is no function {name!r}; there are {known}")
        return pool

    def _start_functions(self, runtime_url: str) -> None:
        behind_api = {route.function_name for api in self.deployed.apis.values() for route in api.routes}
        for function in self.deployed.functions.values():
            environment = function_environment(self.plane, function, runtime_url)
            log_path = self.work_dir / "logs" / f"{function.name}.log"
            concurrency = _API_CONCURRENCY if function.name in behind_api else _BATCH_CONCURRENCY
            self._pools[function.name] = FunctionPool(function, environment, log_path, concurrency)
            self._pools[function.name].warm()
        for pool in self._pools.values():
            try:
                pool.wait_ready()
            except FunctionFailed as error:
                raise StackError(f"function {error}; see {pool.log_path}") from error

    def _start_events(self) -> None:
        for source in self.deployed.event_sources.values():
            pool = self._pool(source.function_name)
            sqs = self.client("sqs", self.plane.assume(pool.function.role_arn))
            queue = source.queue_arn.rsplit(":", 1)[-1]
            url = self.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"]
            concurrency = source.concurrency or pool.concurrency
            self._readers.append(QueueReader(source, sqs, url, self.invoke, concurrency))
        for reader in self._readers:
            reader.start()
        self._scheduler = Scheduler(list(self.deployed.schedules.values()), self.invoke)
        self._scheduler.start()
