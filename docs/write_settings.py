"""Writes docs/settings.md from the `#:` comments of the settings: `python docs/write_settings.py`."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

from webui_async.contract.settings import PREFIX, HandlerSettings, ServeSettings

HEAD = """# Settings

Every process reads its settings once, from `WEBUI_ASYNC_*` variables. The functions get theirs from
template.yaml, the container from the SageMaker Model's environment. Lists are comma separated, tables are
JSON. This page is written by docs/write_settings.py; a test holds it to the code.
"""


def table(heading: str, settings: type) -> str:
    """One markdown table: variable, default, meaning."""
    source = inspect.getsource(settings)
    rows = [f"\n## {heading}\n", "| variable | default | meaning |", "|---|---|---|"]
    for field in dataclasses.fields(settings):
        meaning = re.search(rf"^    {field.name}:.*#: (.*)$", source, re.MULTILINE)
        default = "needed" if field.default is dataclasses.MISSING else f"`{field.default}`"
        if field.default_factory is not dataclasses.MISSING or field.default in ("", ()):
            default = "empty"
        rows.append(f"| `{PREFIX}{field.name.upper()}` | {default} | {meaning[1] if meaning else ''} |")
    return "\n".join(rows) + "\n"


def page() -> str:
    """The whole of docs/settings.md."""
    return HEAD + table("The functions", HandlerSettings) + table("The container", ServeSettings)


if __name__ == "__main__":
    Path(__file__).with_name("settings.md").write_text(page())
