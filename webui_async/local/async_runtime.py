"""The queue in front of one endpoint: first come, first served, and nothing tried twice."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterator

import httpx

from webui_async.contract.errors import PipelineError, StoreError
from webui_async.local.endpoint_spec import EndpointSpec
from webui_async.local.execution_role import ExecutionRole
from webui_async.local.fleet import Fleet
from webui_async.local.instance import Instance
from webui_async.local.invocation import Answer, Invocation, failed, message, refused_by_container

logger = logging.getLogger(__name__)


class AsyncRuntime:
    """Hands invocations to instances, writes what they answer, and tells the topics."""

    def __init__(
        self,
        spec: EndpointSpec,
        role: ExecutionRole,
        fleet: Fleet,
        http: httpx.AsyncClient,
        now: Callable[[], float],
    ):
        self.spec = spec
        self._role, self._fleet, self._http, self._now = role, fleet, http, now
        self._queue: deque[Invocation] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    def accept(self, invocation: Invocation) -> None:
        self._queue.append(invocation)
        self.dispatch()

    def dispatch(self) -> None:
        """Give out what can be given out, and fail what waited too long."""
        self._fail_expired()
        while self._queue and (instance := self._fleet.free_instance(self.spec.max_concurrent)):
            instance.in_flight += 1
            self._begin(self._carry_out(self._queue.popleft(), instance))

    async def close(self) -> None:
        """What waits is dropped, as when an endpoint is deleted; answers that are here are still written."""
        self._queue.clear()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _fail_expired(self) -> None:
        now = self._now()
        if any(now >= invocation.expires_at for invocation in self._queue):
            waiting = list(self._queue)
            self._queue = deque(invocation for invocation in waiting if now < invocation.expires_at)
            for invocation in waiting:
                if now >= invocation.expires_at:
                    self._begin(self._report(invocation, _EXPIRED))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, invocation: Invocation, instance: Instance) -> None:
        try:
            answer = await self._answer(invocation, instance)
        finally:
            instance.in_flight -= 1
            self.dispatch()
        await self._report(invocation, answer)

    async def _answer(self, invocation: Invocation, instance: Instance) -> Answer:
        try:
            body = await self._body(invocation)
        except StoreError as error:
            return failed(f"ClientError: the input cannot be read as role {self._role.arn}: {error}")
        if body is None:
            return failed(f"ClientError: there is no object at {invocation.input_uri}")
        try:
            async with asyncio.timeout(invocation.timeout_s):
                reply = await self._http.post(
                    f"{instance.url}/invocations", content=body, headers=invocation.headers
                )
        except httpx.HTTPError:
            instance.suspect()
            return refused_by_container(0)
        except TimeoutError:
            return refused_by_container(0)
        content_type = reply.headers.get("content-type", "application/octet-stream")
        if reply.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            # SageMaker takes an instance out of its routing before it stops it; who stops it here may not.
            instance.suspect()
        if not reply.is_success:
            return refused_by_container(reply.status_code, reply.content, content_type)
        if "content-length" not in reply.headers:
            # Asynchronous endpoints were seen to refuse chunked answers: djl-serving issue 2567.
            return failed("ClientError: the container's answer has no Content-Length")
        return Answer(reply.content, content_type)

    async def _body(self, invocation: Invocation) -> bytes | None:
        if invocation.input_uri is None:
            return invocation.body
        return await asyncio.to_thread(self._role.read, invocation.input_uri)

    async def _report(self, invocation: Invocation, answer: Answer) -> None:
        await asyncio.to_thread(self._tell, invocation, answer)

    def _tell(self, invocation: Invocation, answer: Answer) -> None:
        if answer.failure is None:
            try:
                self._role.write(invocation.output_uri, answer.body, answer.content_type)
            except StoreError as error:
                answer = failed(
                    f"ClientError: the output cannot be written as role {self._role.arn}: {error}"
                )
        if answer.failure is not None and invocation.failure_uri is not None:
            with _logged(invocation):
                self._role.write(invocation.failure_uri, answer.body, answer.content_type)
        topic = self.spec.success_topic if answer.failure is None else self.spec.error_topic
        if topic is not None:
            with _logged(invocation):
                self._role.publish(topic, message(self.spec, invocation, answer, self._now()))


@contextlib.contextmanager
def _logged(invocation: Invocation) -> Iterator[None]:
    """SageMaker only counts what it could not deliver; here it can be read."""
    try:
        yield
    except PipelineError as error:
        logger.error("the ending of invocation %s was not delivered: %s", invocation.inference_id, error)


_EXPIRED = failed("ClientError: the request waited in the queue for longer than its RequestTTLSeconds")
