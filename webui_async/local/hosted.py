"""One endpoint of the control plane, from its creation to its deletion."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import httpx

from webui_async.local.async_runtime import AsyncRuntime
from webui_async.local.endpoint_spec import Wanted
from webui_async.local.generation import Generation, Host
from webui_async.local.instance import InstanceView

logger = logging.getLogger(__name__)

CREATING, FAILED, IN_PROGRESS = "Creating", "Failed", ("Creating", "Updating")


class Hosted:
    """Its queue, the instances that it is given to, and those that are to take over."""

    def __init__(self, name: str, wanted: Wanted, host: Host, on_change: Callable[[], None]):
        """on_change: called when there may be something to report."""
        self.name, self.created_at = name, wanted.created_at
        self.status = wanted.status  #: EndpointStatus, as the control plane said last
        self._host, self._on_change = host, on_change
        self._failure: str | None = None  # kept when the instances that failed are let go
        self._runtime: AsyncRuntime | None = None
        self._http = httpx.AsyncClient(
            # A kept connection may be closed by the container just as the next invocation is sent.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            timeout=httpx.Timeout(None, connect=5.0),
            trust_env=False,
        )
        self._current = self._generation(wanted)
        self._next: Generation | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._told: dict[str, Any] = {}

    def views(self) -> list[InstanceView]:
        """All instances, those of a configuration that is being brought up last."""
        return self._current.views() + (self._next.views() if self._next else [])

    @property
    def trouble(self) -> str | None:
        """Why it does not work, as far as is known."""
        return self._failure or self._current.trouble

    @property
    def load(self) -> tuple[str, int, int] | None:
        """(variant, jobs queued and in hand, instances in service); None while it cannot take jobs."""
        variant = self._current.variant
        if self._runtime is None or variant is None:
            return None
        return variant.spec.variant, self._runtime.backlog, self._current.in_service

    async def runtime(self) -> AsyncRuntime | None:
        """Its queue, as soon as its model data is here; None when it cannot be brought up."""
        await self._current.opened()
        self._take_invocations()
        return None if self.status == FAILED else self._runtime

    def follow(self, wanted: Wanted) -> None:
        """Do what the control plane wants now, and look after the queue."""
        self.status = wanted.status
        if wanted.status == FAILED:
            self._failure = self._failure or self._current.trouble
            self._current.set_capacity(0)
        elif wanted.config == self._current.config:
            self._current.set_capacity(wanted.capacity)
            self._drop_next()
        else:
            self._follow_update(wanted)
        self._go_on()

    def report(self) -> dict[str, Any] | None:
        """What the control plane is to know now (moto_endpoints.Report); None when it does."""
        failing = self._next if self._next else self._current
        document = {
            "created_at": self.created_at.timestamp(),
            "config": self._current.config if self._current.variant else None,
            "instances": self._current.in_service,
        }
        if failing.failure:
            document |= {"failed_config": failing.config, "reason": failing.failure}
        if document == self._told and self.status not in IN_PROGRESS:
            return None
        return document

    def heard(self, document: dict[str, Any], status: str | None) -> None:
        """The control plane knows the document, and has answered with the endpoint's status."""
        self._told, self.status = document, status or self.status

    async def close(self) -> None:
        """Nothing of it is left afterwards."""
        self._drop_next()
        self._let_go(self._current)
        closing = list(self._leaving)
        if self._runtime:
            await self._runtime.close()
        await asyncio.gather(*closing)
        await self._http.aclose()

    def _generation(self, wanted: Wanted) -> Generation:
        return Generation(self.name, wanted, self._host, self._changed)

    def _changed(self) -> None:
        self._go_on()
        self._on_change()

    def _go_on(self) -> None:
        if self._next and self._next.is_up:
            self._swap(self._next)
        self._take_invocations()
        if self._runtime:
            self._runtime.dispatch()

    def _follow_update(self, wanted: Wanted) -> None:
        if self._next is None or self._next.config != wanted.config:
            self._drop_next()
            self._next = self._generation(wanted)
        self._next.set_capacity(wanted.capacity)

    def _swap(self, ready: Generation) -> None:
        old, self._current, self._next = self._current, ready, None
        if self._runtime and ready.variant:
            self._runtime.move_to(ready.variant)
        logger.info("endpoint %s: %s has taken over from %s", self.name, ready.config, old.config)
        self._let_go(old)

    def _drop_next(self) -> None:
        if self._next is not None:
            self._let_go(self._next)
            self._next = None

    def _let_go(self, generation: Generation) -> None:
        task = asyncio.create_task(generation.close())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _take_invocations(self) -> None:
        variant = self._current.variant
        if self._runtime is None and variant is not None:
            self._runtime = AsyncRuntime(variant, self._http, self._host.now)
