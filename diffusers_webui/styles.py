"""Styles: named pieces of prompt, kept in styles.csv, that a request may ask for.

Source: the stock webui's manual ("Styles"); its file has the columns name, prompt and negative_prompt.
"""

import csv
import logging
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

_PLACE = "{prompt}"


@dataclass(frozen=True)
class Style:
    """One line of styles.csv."""

    name: str
    prompt: str
    negative_prompt: str


class Styles:
    """All styles, as they were when the files were read."""

    def __init__(self, *files: Path):
        """files: styles.csv, one or several; a missing or broken one holds none."""
        self._styles = {style.name: style for file in files for style in _read(file)}

    def listing(self) -> list[dict[str, str]]:
        """The body of GET /prompt-styles."""
        return [vars(style).copy() for style in self._styles.values()]

    def on_prompt(self, prompt: str, names: list[str]) -> str:
        """The prompt with these styles. Unknown ones are left out silently, as in the stock webui."""
        return _joined(prompt, [style.prompt for style in self._known(names)])

    def on_negative_prompt(self, negative_prompt: str, names: list[str]) -> str:
        """The negative prompt with these styles."""
        return _joined(negative_prompt, [style.negative_prompt for style in self._known(names)])

    def _known(self, names: list[str]) -> list[Style]:
        return [self._styles[name] for name in names if name in self._styles]


def _joined(prompt: str, pieces: list[str]) -> str:
    """Each piece behind the prompt, or around it where the piece says `{prompt}`."""
    for piece in pieces:
        if _PLACE in piece:
            prompt = piece.replace(_PLACE, prompt)
        elif piece.strip():
            prompt = ", ".join(part for part in (prompt.strip(), piece.strip()) if part)
    return prompt


def _read(file: Path) -> list[Style]:
    if not file.exists():
        return []
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = [row for row in csv.DictReader(lines) if row.get("name")]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        log.warning("styles cannot be read from %s: %s", file, error)
        return []
    return [Style(row["name"], row.get("prompt") or "", row.get("negative_prompt") or "") for row in rows]
