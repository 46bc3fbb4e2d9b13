"""The queue in front of one endpoint: first come, first served, and nothing tried twice."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass

import httpx

from webui_async.contract.errors import PipelineError, StoreError
from webui_async.local.endpoint_spec import EndpointSpec
from webui_async.local.execution_role import ExecutionRole
from webui_async.local.fleet import Fleet
from webui_async.local.instance import Instance
from webui_async.local.invocation import Answer, Invocation, failed, message, refused_by_container

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Variant:
    """Whom invocations are given to, and how."""

    spec: EndpointSpec
    role: ExecutionRole
    fleet: Fleet


class AsyncRuntime:
    """Hands invocations to instances, writes what they answer, and tells the topics."""

    def __init__(self, variant: Variant, http: httpx.AsyncClient, now: Callable[[], float]):
        self._variant, self._http, self._now = variant, http, now
        self._queue: deque[Invocation] = deque()
        self._in_hand = 0  # given to an instance and not answered
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def spec(self) -> EndpointSpec:
        """What an invocation that is accepted now goes by."""
        return self._variant.spec

    @property
    def backlog(self) -> int:
        """Invocations that wait or are in hand."""
        return len(self._queue) + self._in_hand

    def move_to(self, variant: Variant) -> None:
        """Give what waits to other instances from now on; those that hold an invocation still answer it."""
        self._variant = variant
        self.dispatch()

    def accept(self, invocation: Invocation) -> None:
        self._queue.append(invocation)
        self.dispatch()

    def dispatch(self) -> None:
        """Give out what can be given out, and fail what waited too long."""
        self._fail_expired()
        variant = self._variant
        while self._queue and (instance := variant.fleet.free_instance(variant.spec.max_concurrent)):
            instance.in_flight += 1
            self._in_hand += 1
            self._begin(self._carry_out(self._queue.popleft(), variant, instance))

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
                    self._begin(self._report(invocation, self._variant, _EXPIRED))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, invocation: Invocation, variant: Variant, instance: Instance) -> None:
        try:
            answer = await self._answer(invocation, variant.role, instance)
        finally:
            instance.in_flight -= 1
            self._in_hand -= 1
            self.dispatch()
        await self._report(invocation, variant, answer)

    async def _answer(self, invocation: Invocation, role: ExecutionRole, instance: Instance) -> Answer:
        try:
            body = await _body(invocation, role)
        except StoreError as error:
            return failed(f"ClientError: the input cannot be read as role {role.arn}: {error}")
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

    async def _report(self, invocation: Invocation, variant: Variant, answer: Answer) -> None:
        await asyncio.to_thread(self._tell, invocation, variant.spec, variant.role, answer)

    def _tell(self, invocation: Invocation, spec: EndpointSpec, role: ExecutionRole, answer: Answer) -> None:
        if answer.failure is None:
            try:
                role.write(invocation.output_uri, answer.body, answer.content_type)
            except StoreError as error:
                answer = failed(f"ClientError: the output cannot be written as role {role.arn}: {error}")
        if answer.failure is not None and invocation.failure_uri is not None:
            with _logged(invocation):
                role.write(invocation.failure_uri, answer.body, answer.content_type)
        topic = spec.success_topic if answer.failure is None else spec.error_topic
        if topic is not None:
            with _logged(invocation):
                role.publish(topic, message(spec, invocation, answer, self._now()))


async def _body(invocation: Invocation, role: ExecutionRole) -> bytes | None:
    if invocation.input_uri is None:
        return invocation.body
    return await asyncio.to_thread(role.read, invocation.input_uri)


@contextlib.contextmanager
def _logged(invocation: Invocation) -> Iterator[None]:
    """SageMaker only counts what it could not deliver; here it can be read."""
    try:
        yield
    except PipelineError as error:
        logger.error("the ending of invocation %s was not delivered: %s", invocation.inference_id, error)


_EXPIRED = failed("ClientError: the request waited in the queue for longer than its RequestTTLSeconds")
