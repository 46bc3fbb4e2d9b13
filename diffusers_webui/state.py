"""What is being drawn right now: the stock webui's `shared.state`, as /progress shows it.

The drawing thread writes, HTTP requests read; every value is one assignment, so no lock is needed.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from PIL import Image


@dataclass
class State:
    """Counters of the running drawing. They keep their last values when it ends, as the stock webui's do."""

    skipped: bool = False
    interrupted: bool = False
    stopping_generation: bool = False
    job: str = ""  #: `scripts_txt2img`, `scripts_img2img`, or "" when idle
    job_count: int = 0  #: batches to draw (n_iter); 0 when idle
    job_timestamp: str = "0"
    job_no: int = 0  #: batches drawn
    sampling_step: int = 0
    sampling_steps: int = 0
    time_start: float = 0.0
    preview: "Preview | None" = field(default=None, repr=False)
    preview_step: int = 0  #: step of the newest preview

    def begin(self, job: str) -> None:
        """A drawing starts: everything from the last one is forgotten, an early interrupt too."""
        self.skipped = self.interrupted = self.stopping_generation = False
        self.sampling_step = self.job_no = self.preview_step = 0
        self.preview = None
        self.time_start = time.time()
        self.job_timestamp = time.strftime("%Y%m%d%H%M%S")
        self.job, self.job_count = job, -1

    def end(self) -> None:
        """The drawing is over."""
        self.preview = None
        self.job, self.job_count, self.sampling_step = "", 0, 0

    def next_batch(self) -> None:
        """One of the n_iter batches is drawn."""
        self.job_no += 1
        self.sampling_step = self.preview_step = 0
        self.preview = None

    def report(self) -> dict[str, Any]:
        """The `state` object of GET /sdapi/v1/progress."""
        names = (
            "skipped",
            "interrupted",
            "stopping_generation",
            "job",
            "job_count",
            "job_timestamp",
            "job_no",
            "sampling_step",
            "sampling_steps",
        )
        return {name: getattr(self, name) for name in names}

    def progress(self, now: float) -> tuple[float, float]:
        """Fraction done, and seconds to go. Source: modules/api/api.py, progressapi."""
        if self.job_count == 0:
            return 0.0, 0.0
        fraction = 0.01
        if self.job_count > 0:
            fraction += self.job_no / self.job_count
        if self.sampling_steps > 0:
            fraction += 1 / self.job_count * self.sampling_step / self.sampling_steps
        elapsed_s = now - self.time_start
        return min(fraction, 1.0), elapsed_s / fraction - elapsed_s


class Preview:
    """A look at unfinished latents, made once, and only when somebody asks."""

    def __init__(self, make: Callable[[], Image.Image]):
        self._make = make
        self._picture: Image.Image | None = None
        self._lock = threading.Lock()

    def picture(self) -> Image.Image:
        with self._lock:
            if self._picture is None:
                self._picture = self._make()
            return self._picture
