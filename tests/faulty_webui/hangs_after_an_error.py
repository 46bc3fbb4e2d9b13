"""Answers one drawing with an error and hangs in the next, all within its first `--times` drawings."""

import time
from typing import Any

from base import Answer, Engine, main
from replies import error_body


class HangsAfterAnError(Engine):
    has_failed = False

    def draw(self, route: str, body: dict[str, Any]) -> Answer:
        if not self.is_faulty_now(body):
            return super().draw(route, body)
        if self.has_failed:
            time.sleep(3600)
        self.has_failed = True
        return Answer(500, error_body("RuntimeError", "CUDA error: an illegal memory access was encountered"))


if __name__ == "__main__":
    main(HangsAfterAnError)
