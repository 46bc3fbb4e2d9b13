"""The table of settings in the docs and the settings in the code say the same."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_settings_page_is_what_the_code_says() -> None:
    page = runpy.run_path(str(DOCS / "write_settings.py"))["page"]()
    assert (DOCS / "settings.md").read_text() == page, "run: python docs/write_settings.py"


def test_every_setting_says_what_it_is_for() -> None:
    assert "|  |" not in (DOCS / "settings.md").read_text()
