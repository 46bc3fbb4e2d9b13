"""Prompts that change while a picture is drawn: `[cat:dog:0.5]`, `[cat:10]`, `[cat::0.5]`, `[cat|dog]`.

The rules are those of the stock webui's manual ("Prompt editing", "Alternating words"). Brackets that mean
none of these are left as they are: attention reads them later. So is a whole prompt that cannot be read.
"""

import re
from dataclasses import dataclass

_PLAIN = re.compile(r"(?:[^\\\[\]():|]|\\.)+", re.DOTALL)
_WHEN = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*")


@dataclass(frozen=True)
class Clock:
    """How many model calls a drawing has, and how its prompts count them.

    before: calls of the first pass when this is the second one (hires): there `1.5` is half of the second
    pass, and whole numbers go on counting from the first. 0 in a first pass.
    """

    calls: int
    before: int = 0

    def call_of(self, when: str) -> int:
        """The last call before the change: a share of the drawing with a point in it, a count without."""
        if "." in when:
            share = float(when) - (1 if self.before else 0)
            return min(int(share * self.calls), self.calls)
        return min(int(when) - self.before, self.calls)


@dataclass(frozen=True)
class _Switch:
    """`[before:after:when]`"""

    before: "_Node"
    after: "_Node"
    when: str


@dataclass(frozen=True)
class _Turns:
    """`[one|two|...]`: a step each, round and round."""

    options: "tuple[_Node, ...]"


_Node = tuple["str | _Switch | _Turns", ...]


def schedule(prompt: str, clock: Clock) -> list[tuple[int, str]]:
    """The prompt's texts, each with the last model call that it is for, counted from 1."""
    try:
        node = _Parser(prompt).whole()
    except (_Unreadable, RecursionError):  # brackets can be nested deeper than this can be read
        return [(clock.calls, prompt)]
    texts: list[tuple[int, str]] = []
    for call in sorted(_changes(node, clock) | {clock.calls}):
        text = _text_at(node, call, clock)
        if texts and texts[-1][1] == text:
            texts.pop()
        texts.append((call, text))
    return texts


def _changes(node: _Node, clock: Clock) -> set[int]:
    found: set[int] = set()
    for part in node:
        if isinstance(part, _Switch):
            call = clock.call_of(part.when)
            found |= ({call} if call >= 1 else set()) | _changes(part.before, clock)
            found |= _changes(part.after, clock)
        elif isinstance(part, _Turns):
            return set(range(1, clock.calls + 1))
    return found


def _text_at(node: _Node, call: int, clock: Clock) -> str:
    words = []
    for part in node:
        if isinstance(part, _Switch):
            chosen = part.before if call <= clock.call_of(part.when) else part.after
            words.append(_text_at(chosen, call, clock))
        elif isinstance(part, _Turns):
            words.append(_text_at(part.options[(call - 1) % len(part.options)], call, clock))
        else:
            words.append(part)
    return "".join(words)


class _Unreadable(Exception):
    """The text at this place is not what was looked for."""


class _Parser:
    """Recursive descent with one way back: a bracket that cannot be read is a plain sign."""

    def __init__(self, text: str):
        self._text = text
        self._at = 0
        self._failed: set[int] = set()  #: brackets that were tried: no prompt costs more than its length

    def whole(self) -> _Node:
        """The prompt. Between brackets a stray `:`, `)` or `]` is a plain sign; a `|` is not."""
        parts: list[str | _Switch | _Turns] = []
        while self._at < len(self._text):
            parts += self._prompt()
            if self._at < len(self._text):
                if self._text[self._at] in "|\\":
                    raise _Unreadable
                parts.append(self._text[self._at])
                self._at += 1
        return tuple(parts)

    def _prompt(self) -> list["str | _Switch | _Turns"]:
        """As much as can be read here."""
        parts: list[str | _Switch | _Turns] = []
        while plain := _PLAIN.match(self._text, self._at) or self._opening():
            if isinstance(plain, re.Match):
                self._at = plain.end()
                parts.append(plain.group())
                continue
            begun = self._at
            try:
                parts += self._round() if plain == "(" else self._square()
            except _Unreadable:
                self._failed.add(begun)
                self._at = begun
                break
        return parts

    def _opening(self) -> str:
        sign = self._text[self._at : self._at + 1]
        return sign if sign in ("(", "[") and self._at not in self._failed else ""

    def _round(self) -> list["str | _Switch | _Turns"]:
        self._take("(")
        inside = self._prompt()
        if self._has(":"):
            inside += [self._take(":"), *self._prompt()]
        return ["(", *inside, self._take(")")]

    def _square(self) -> list["str | _Switch | _Turns"]:
        self._take("[")
        first = self._prompt()
        if self._has("|"):
            options = [tuple(first)]
            while self._has("|"):
                self._take("|")
                options.append(tuple(self._prompt()))
            self._take("]")
            return [_Turns(tuple(options))]
        if self._has(":"):
            return [self._switch(first)]
        return ["[", *first, self._take("]")]

    def _switch(self, first: list["str | _Switch | _Turns"]) -> _Switch:
        self._take(":")
        if (when := self._when()) is not None:
            return _Switch((), tuple(first), when)
        second = self._prompt()
        self._take(":")
        when = self._when()
        if when is None:
            raise _Unreadable
        return _Switch(tuple(first), tuple(second), when)

    def _when(self) -> str | None:
        """The number right before a closing bracket."""
        found = _WHEN.match(self._text, self._at)
        if found is None or self._text[found.end() : found.end() + 1] != "]":
            return None
        self._at = found.end() + 1
        return found.group(1)

    def _has(self, sign: str) -> bool:
        return self._text.startswith(sign, self._at)

    def _take(self, sign: str) -> str:
        if not self._has(sign):
            raise _Unreadable
        self._at += 1
        return sign
