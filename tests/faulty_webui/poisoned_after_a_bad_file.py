"""Cannot read the checkpoint `--bad`, and is not the same afterwards: it draws only what it drew before.

As the webui: the old checkpoint is left half taken apart. Prompts that it has encoded before still draw, new
ones fail. Loading another good checkpoint repairs it, and so does a restart.
"""

from typing import Any

from base import Answer, Engine, main
from replies import error_body
from wire import Failed


class PoisonedAfterABadFile(Engine):
    prompts: set[str]  #: encoded before
    is_poisoned = False

    def before_listening(self) -> None:
        self.prompts = set()

    def load(self, name: str) -> None:
        if name == self.words.bad:
            self.is_poisoned = True
            message = "Error while deserializing header: MetadataIncompleteBuffer"
            raise Failed(Answer(500, error_body("SafetensorError", message)))
        super().load(name)
        self.is_poisoned = False

    def draw(self, route: str, body: dict[str, Any]) -> Answer:
        prompt = body.get("prompt", "")
        if self.is_poisoned and prompt not in self.prompts and not route.startswith("extra-"):
            raise Failed(Answer(500, error_body("RuntimeError", "Found no NVIDIA driver on your system.")))
        self.prompts.add(prompt)
        return super().draw(route, body)


if __name__ == "__main__":
    main(PoisonedAfterABadFile)
