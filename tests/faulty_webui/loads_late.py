"""Listens at once, loads its checkpoint for `--start-delay` s more, and fails all drawings until then."""

import time
from typing import Any

from base import Answer, Engine, main


class LoadsLate(Engine):
    def before_listening(self) -> None:
        self.loaded_at = time.monotonic() + self.words.start_delay

    def draw(self, route: str, body: dict[str, Any]) -> Answer:
        if time.monotonic() < self.loaded_at:
            return Answer(
                500, {"error": "AttributeError", "errors": "'NoneType' object has no attribute 'sd'"}
            )
        return super().draw(route, body)

    def post(self, route: str, body: dict[str, Any]) -> Answer:
        if route == "reload-checkpoint":
            time.sleep(max(0.0, self.loaded_at - time.monotonic()))
        return super().post(route, body)


if __name__ == "__main__":
    main(LoadsLate)
