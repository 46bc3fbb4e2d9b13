"""Keeps `--leak-bytes` more memory with every drawing that has a prompt, and gives none back."""

from typing import Any

from base import Answer, Engine, main


class LeaksMemory(Engine):
    hoard: list[bytearray]

    def before_listening(self) -> None:
        self.hoard = []

    def draw(self, route: str, body: dict[str, Any]) -> Answer:
        if body.get("prompt"):
            # Written to: memory that is only asked for does not count as resident.
            self.hoard.append(bytearray(b"x") * self.words.leak_bytes)
        return super().draw(route, body)


if __name__ == "__main__":
    main(LeaksMemory)
