"""Ends before it listens, with its reason on the last line."""

import sys

from base import Engine, main


class DiesAtStart(Engine):
    def before_listening(self) -> None:
        print("ImportError: libcuda.so.1 is not here", flush=True)
        sys.exit(3)


if __name__ == "__main__":
    main(DiesAtStart)
