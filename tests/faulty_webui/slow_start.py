"""Opens its port only after `--start-delay` seconds, as a large checkpoint does."""

import time

from base import Engine, main


class SlowStart(Engine):
    def before_listening(self) -> None:
        time.sleep(self.words.start_delay)


if __name__ == "__main__":
    main(SlowStart)
