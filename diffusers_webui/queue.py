"""One drawing at a time, in arrival order: the stock webui's queue lock, as one thread with one line."""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class DrawQueue:
    """Runs functions one after another on one thread.

    One thread for all of torch also keeps its thread pool warm and its results the same. The thread is a
    daemon: a process that was told to stop never waits for a model to load.
    """

    def __init__(self) -> None:
        self._line: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="drawing", daemon=True).start()

    def put(self, work: Callable[[], T]) -> "Future[T]":
        """Stand in line. The future ends with what `work` returns or raises."""
        future: Future[T] = Future()
        self._line.put((future, work))
        return future

    async def run(self, work: Callable[[], T]) -> T:
        """Stand in line and wait. Work that is in line is done even when the waiting client has gone."""
        return await asyncio.shield(asyncio.wrap_future(self.put(work)))

    def _work(self) -> None:
        while True:
            future, work = self._line.get()
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
            del future, work  # a waiting thread must not keep the last pictures alive
