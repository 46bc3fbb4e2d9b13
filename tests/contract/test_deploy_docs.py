"""docs/deploy.md: its table of fields is the spec's own, and its example is one that is accepted."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from webui_async.deploy.spec_reader import FIELDS, meanings, read_spec

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "deploy.md").read_text()


def default_of(name: str) -> str:
    field = FIELDS[name]
    if field.default is dataclasses.MISSING:
        return "needed" if field.default_factory is dataclasses.MISSING else "none"
    return "none" if field.default in (None, ()) else f"`{field.default}`"


def test_the_table_has_every_field_with_its_default_and_meaning() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*) \|$", PAGE.partition("## plan")[0], re.MULTILINE)
    assert rows == [(name, default_of(name), meaning) for name, meaning in meanings().items()]


def test_the_example_is_a_spec(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "endpoint.yaml"
    file.write_text(text)
    assert read_spec(file, {}).max_instances == 4
