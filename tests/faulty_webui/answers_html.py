"""Answers its first `--times` drawings with a web page, as a proxy in between would."""

from typing import Any

from base import Answer, Engine, main


class AnswersHtml(Engine):
    def draw(self, route: str, body: dict[str, Any]) -> Answer:
        if self.is_faulty_now(body):
            return Answer(200, b"<html><body>Bad gateway</body></html>", "text/html")
        return super().draw(route, body)


if __name__ == "__main__":
    main(AnswersHtml)
