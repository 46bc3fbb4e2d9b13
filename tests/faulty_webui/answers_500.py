"""Answers its first `--times` drawings as the webui answers an exception: prompt and trace in one text."""

from typing import Any

from base import Answer, Engine, main
from replies import error_body

TRACE = """Traceback (most recent call last):
  File "/opt/stable-diffusion-webui/modules/api/api.py", line 446, in text2imgapi
    processed = process_images(p)
  File "/opt/stable-diffusion-webui/modules/processing.py", line 845, in process_images
    res = process_images_inner(p)
RuntimeError: """


class Answers500(Engine):
    def draw(self, route: str, body: dict[str, Any]) -> Answer:
        if self.is_faulty_now(body):
            message = f"cannot draw {body['prompt']!r}: {TRACE}" + "size mismatch for model.weight " * 2000
            return Answer(500, error_body("RuntimeError", message))
        return super().draw(route, body)


if __name__ == "__main__":
    main(Answers500)
