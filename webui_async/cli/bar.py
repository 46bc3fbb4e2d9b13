"""How far a transfer is, as a bar on standard error. Nothing is shown where that is no terminal."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import NoReturn, TextIO

from tqdm import tqdm

from webui_async.packager.progress import Progress


class Bar(Progress):
    """One bar for each stretch of work, with rate and time left. Use it in a `with`."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file  #: standard error, when there is none
        self._bar: tqdm[NoReturn] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def start(self, what: str, total_bytes: int) -> None:
        self._close()
        bar: tqdm[NoReturn] = tqdm(
            desc=what, total=total_bytes, unit="B", unit_scale=True, disable=None, file=self._file
        )
        self._bar = None if bar.disable else bar

    def done(self, count: int) -> None:
        with self._lock:
            if self._bar is not None:
                self._bar.update(count)

    def kept(self, count: int) -> None:
        with self._lock:
            if self._bar is not None:
                # What tqdm counts from here on is this run's own: rate and time left stay true.
                self._bar.initial += count
                self._bar.update(count)

    def _close(self) -> None:
        with self._lock:
            if self._bar is not None:
                self._bar.close()
                self._bar = None
