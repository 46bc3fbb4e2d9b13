"""The jobs in hand: so many at most, and each once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from serve.answers import Answer
from webui_async.contract.errors import ContainerFull, ContainerStopping
from webui_async.contract.job import Job


@dataclass(eq=False)
class Hand:
    """One invocation's work, from its acceptance to its answer. A direct invocation has no job."""

    job: Job | None
    attempt: int  #: the latest one that was delivered here
    is_ending: bool = False  #: drawn, and on its way to the bucket
    task: asyncio.Task[Answer] = field(init=False)

    async def answer(self) -> Answer:
        """What the work comes to. Raises ContainerStopping when it was given back."""
        await asyncio.wait({self.task})
        if self.task.cancelled():
            raise ContainerStopping("the container is being stopped; the job is given back unfinished")
        return self.task.result()


class Scheduler:
    """At most `max_jobs` in hand."""

    def __init__(self, max_jobs: int):
        self._max_jobs = max_jobs
        self._hands: dict[str, Hand] = {}
        self.is_closed = False

    @property
    def hands(self) -> list[Hand]:
        return list(self._hands.values())

    def close(self) -> None:
        """Nothing more is taken in hand."""
        self.is_closed = True

    def take(
        self, key: str, job: Job | None, attempt: int, work: Callable[[Hand], Coroutine[Any, Any, Answer]]
    ) -> Hand:
        """The work under `key`, started unless it is in hand: then it is joined, and nothing is done twice.

        Raises ContainerStopping and ContainerFull.
        """
        hand = self._hands.get(key)
        if hand is not None and not hand.task.done():
            hand.attempt = max(hand.attempt, attempt)
            return hand
        if self.is_closed:
            raise ContainerStopping("the container is being stopped and takes no more jobs")
        if len(self._hands) >= self._max_jobs:
            raise ContainerFull(
                f"{self._max_jobs} jobs are in hand; MaxConcurrentInvocationsPerInstance must not be more"
            )
        hand = self._hands[key] = Hand(job, attempt)
        hand.task = asyncio.create_task(work(hand))
        hand.task.add_done_callback(lambda task: self._put_down(key, hand))
        return hand

    def _put_down(self, key: str, hand: Hand) -> None:
        if self._hands.get(key) is hand:
            del self._hands[key]
