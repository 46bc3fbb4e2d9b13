"""Commands that have words of their own: `webui-async models push`, `webui-async endpoint plan`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeAlias

Run = Callable[[argparse.Namespace], int]
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_command_of_words(commands: Commands, name: str, text: str) -> Commands:
    """Where the words of the command go."""
    return commands.add_parser(name, help=text, description=text).add_subparsers(
        required=True, metavar="WORD"
    )


def add_word(words: Commands, name: str, run: Run, text: str) -> argparse.ArgumentParser:
    """The parser of one word, which ends in `run`."""
    word = words.add_parser(name, help=text, description=text)
    word.set_defaults(run=run)
    return word
