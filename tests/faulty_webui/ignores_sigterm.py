"""Takes no notice of SIGTERM and SIGINT, so that only SIGKILL ends it."""

import signal

from base import Engine, main


class IgnoresSigterm(Engine):
    def before_listening(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main(IgnoresSigterm)
