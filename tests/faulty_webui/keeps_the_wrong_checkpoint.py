"""Goes on with the checkpoint it has at its first `--times` switches, draws with it and answers 200."""

from base import Engine, main


class KeepsTheWrongCheckpoint(Engine):
    def load(self, name: str) -> None:
        if not self.is_faulty_now({"prompt": name}):
            super().load(name)


if __name__ == "__main__":
    main(KeepsTheWrongCheckpoint)
