"""Answers its first `--times` drawings as the webui answers an exception, the prompt in a long message."""

from typing import Any

from base import Answer, Engine, main


class Answers500(Engine):
    def draw(self, route: str, body: dict[str, Any]) -> Answer:
        if self.is_faulty_now(body):
            message = f"cannot draw {body['prompt']!r}: " + "size mismatch for model.weight " * 2000
            return Answer(500, {"error": "RuntimeError", "detail": "", "body": "", "errors": message})
        return super().draw(route, body)


if __name__ == "__main__":
    main(Answers500)
