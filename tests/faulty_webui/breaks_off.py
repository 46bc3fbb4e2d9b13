"""Closes the connection in the middle of its answer to the first `--times` drawings, and lives on."""

from typing import Any

from base import Answer, Engine, main


class BreaksOff(Engine):
    def draw(self, route: str, body: dict[str, Any]) -> Answer:
        answer = super().draw(route, body)
        if self.is_faulty_now(body):
            data = answer.encoded()
            return Answer(200, data[:100], missing_bytes=len(data) - 100)
        return answer


if __name__ == "__main__":
    main(BreaksOff)
