"""The queue in front of the endpoint: first come, first served, and nobody waits for longer than the TTL."""

from __future__ import annotations

from collections import deque

from webui_async.simulate.result import Outcome


class Queue:
    """Jobs that wait. The TTL counts from the arrival, also for a job that was given back."""

    def __init__(self, ttl_s: float):
        self._ttl_s = ttl_s
        self._jobs: deque[Outcome] = deque()

    def __len__(self) -> int:
        return len(self._jobs)

    def put(self, job: Outcome) -> None:
        self._jobs.append(job)

    def take(self) -> Outcome:
        return self._jobs.popleft()

    def expire(self, now_s: float) -> list[Outcome]:
        """Those whose time is up; they are gone from the queue.

        Only at its head: one that was given back may be older than those in front of it, and counts as
        waiting until these are gone.
        """
        expired = []
        while self._jobs and self._jobs[0].arrival_s + self._ttl_s <= now_s:
            job = self._jobs.popleft()
            job.ended_s = now_s
            expired.append(job)
        return expired
