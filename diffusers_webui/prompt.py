"""Prompts as the webui reads them: comments, `<lora:...>` tags, AND, attention weights, BREAK.

Prompt editing (`[a:b:0.5]`) is read before attention, in schedule.py.
Sources: stable-diffusion-webui modules/prompt_parser.py, modules/extra_networks.py,
modules/processing_scripts/comments.py.
"""

import re
from dataclasses import dataclass, field

_TAG = re.compile(r"<(\w+):([^>]+)>")
_COMMENT_LINE = re.compile(r"^[\x20\t]*#.*(\n|$)", re.MULTILINE)
_COMMENT_TAIL = re.compile(r"#.*")
_ATTENTION = re.compile(r"\\\(|\\\)|\\\[|\\]|\\\\|\\|\(|\[|:\s*([+-]?[.\d]+)\s*\)|\)|]|[^\\()\[\]:]+|:")
_AND = re.compile(r"\bAND\b")
_PART_WEIGHT = re.compile(r"\s*:\s*([-+]?(?:\d+\.?|\d*\.\d+))\s*$")
_BREAK = re.compile(r"\s*\bBREAK\b\s*", re.DOTALL)

#: a piece with this weight is no text: it ends the 75-token chunk
BREAK_WEIGHT = -1.0


@dataclass
class ExtraNetwork:
    """One `<lora:name:weight>`: positional values and named ones."""

    positional: list[str] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)


def strip_comments(prompt: str) -> str:
    """The prompt without `# ...`."""
    return _COMMENT_TAIL.sub("", _COMMENT_LINE.sub("", prompt))


def split_extra_networks(prompt: str) -> tuple[str, dict[str, list[ExtraNetwork]]]:
    """The prompt without its tags, and the tags by kind (`lora`, `hypernet`...)."""
    found: dict[str, list[ExtraNetwork]] = {}

    def take(match: re.Match[str]) -> str:
        network = ExtraNetwork()
        for item in match.group(2).split(":"):
            name, is_named, value = item.partition("=")
            if is_named:
                network.named[name] = value
            else:
                network.positional.append(item)
        found.setdefault(match.group(1), []).append(network)
        return ""

    return _TAG.sub(take, prompt), found


def split_composition(prompt: str) -> list[tuple[str, float]]:
    """The parts of `a AND b :0.5` with their weights, 1 where none is said."""
    parts = []
    for text in _AND.split(prompt):
        weight = _PART_WEIGHT.search(text)
        parts.append((text[: weight.start()], float(weight.group(1))) if weight else (text, 1.0))
    return parts


def parse_attention(prompt: str) -> list[tuple[str, float]]:
    """Pieces of the prompt with their weights: `(word)` is 1.1, `[word]` 1/1.1, `(word:1.3)` 1.3.

    BREAK comes out as `("BREAK", BREAK_WEIGHT)`. An empty prompt gives one empty piece.
    """
    pieces: list[tuple[str, float]] = []
    round_brackets: list[int] = []
    square_brackets: list[int] = []

    def multiply(start: int, factor: float) -> None:
        pieces[start:] = [(text, weight * factor) for text, weight in pieces[start:]]

    for match in _ATTENTION.finditer(prompt):
        text, weight = match.group(0), match.group(1)
        if text.startswith("\\"):
            pieces.append((text[1:], 1.0))
        elif text == "(":
            round_brackets.append(len(pieces))
        elif text == "[":
            square_brackets.append(len(pieces))
        elif weight is not None and round_brackets:
            multiply(round_brackets.pop(), float(weight))
        elif text == ")" and round_brackets:
            multiply(round_brackets.pop(), 1.1)
        elif text == "]" and square_brackets:
            multiply(square_brackets.pop(), 1 / 1.1)
        else:
            pieces.extend(_split_at_breaks(text))
    for start in round_brackets:
        multiply(start, 1.1)
    for start in square_brackets:
        multiply(start, 1 / 1.1)
    return _join_equals(pieces) or [("", 1.0)]


def _split_at_breaks(text: str) -> list[tuple[str, float]]:
    pieces: list[tuple[str, float]] = []
    for i, part in enumerate(_BREAK.split(text)):
        if i > 0:
            pieces.append(("BREAK", BREAK_WEIGHT))
        pieces.append((part, 1.0))
    return pieces


def _join_equals(pieces: list[tuple[str, float]]) -> list[tuple[str, float]]:
    joined: list[tuple[str, float]] = []
    for text, weight in pieces:
        if joined and joined[-1][1] == weight:
            joined[-1] = (joined[-1][0] + text, weight)
        else:
            joined.append((text, weight))
    return joined
