"""What the prompts say to one model, call by call: composed with AND, changing on the way."""

from collections.abc import Callable
from dataclasses import dataclass

from diffusers_webui.model import Model
from diffusers_webui.prompt import split_composition
from diffusers_webui.schedule import Clock, schedule
from diffusers_webui.text import Text


@dataclass(frozen=True)
class Timeline:
    """The texts of one prompt, each with the last model call that it is for."""

    entries: list[tuple[int, Text]]

    def at(self, call: int) -> Text:
        """call: calls made so far. That starts at 0: the first text holds a call longer, in stock too."""
        return next((text for until, text in self.entries if call <= until), self.entries[-1][1])

    def lengthened(self, length: int) -> "Timeline":
        return Timeline([(until, text.lengthened(length)) for until, text in self.entries])


@dataclass(frozen=True)
class Voice:
    """A model with what it is told."""

    model: Model
    parts: list[tuple[Timeline, float]]  #: of the prompt, split at AND, with their weights
    negative: Timeline | None  #: None: cfg_scale is 1 and the negative prompt has no say


def give_voice(
    model: Model, embed: Callable[[str], Text], prompt: str, negative: str | None, clock: Clock
) -> Voice:
    """Read both prompts. embed: gives a plain prompt's text as this model hears it."""

    def timeline(text: str) -> Timeline:
        return Timeline([(until, embed(one)) for until, one in schedule(text, clock)])

    def negative_timeline(text: str) -> Timeline:
        return timeline(text) if text else Timeline([(clock.calls, embed(text).as_empty_negative())])

    parts = [(timeline(text), weight) for text, weight in split_composition(prompt)]
    if len(parts) > 1:  # they are asked in one go, which takes one length
        longest = max(text.length for part, _ in parts for _, text in part.entries)
        parts = [(part.lengthened(longest), weight) for part, weight in parts]
    return Voice(model, parts, None if negative is None else negative_timeline(negative))
