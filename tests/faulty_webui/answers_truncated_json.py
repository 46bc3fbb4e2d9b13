"""Sends half of the JSON of its first `--times` drawings, with a Content-Length that fits the half."""

from typing import Any

from base import Answer, Engine, main


class AnswersTruncatedJson(Engine):
    def draw(self, route: str, body: dict[str, Any]) -> Answer:
        answer = super().draw(route, body)
        if self.is_faulty_now(body):
            data = answer.encoded()
            return Answer(200, data[: len(data) // 2])
        return answer


if __name__ == "__main__":
    main(AnswersTruncatedJson)
