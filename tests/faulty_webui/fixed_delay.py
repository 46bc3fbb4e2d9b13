"""Draws every picture in `--delay` seconds."""

from base import Engine, main

if __name__ == "__main__":
    main(Engine)
