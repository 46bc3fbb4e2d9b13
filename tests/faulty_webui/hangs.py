"""Stops making progress in its first `--times` drawings, and takes no notice of an interrupt."""

import time
from typing import Any

from base import Answer, Engine, main


class Hangs(Engine):
    def draw(self, route: str, body: dict[str, Any]) -> Answer:
        if self.is_faulty_now(body):
            time.sleep(3600)
        return super().draw(route, body)


if __name__ == "__main__":
    main(Hangs)
