"""Is killed in the middle of its first `--times` drawings, as the kernel does when memory runs out."""

import os
import signal
from typing import Any

from base import Answer, Engine, main


class DiesWhileDrawing(Engine):
    def draw(self, route: str, body: dict[str, Any]) -> Answer:
        if self.is_faulty_now(body):
            print("a last line before the end", flush=True)
            self.spend(self.delay_s / 2)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().draw(route, body)


if __name__ == "__main__":
    main(DiesWhileDrawing)
