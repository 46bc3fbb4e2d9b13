"""The notebooks as they are committed: nothing of anybody's run is in them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
#: Access keys, callback secrets, signed links, account numbers.
_SECRET = re.compile(r"AKIA[0-9A-Z]{16}|ASIA[0-9A-Z]{16}|whsec_\w|X-Amz-Signature|\b\d{12}\b")


def cells(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["cells"]
    return found


def test_there_are_three() -> None:
    names = {path.stem for path in NOTEBOOKS}
    assert names == {"create_inference_endpoint", "use_inference_endpoint", "clean_up"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs_and_secrets(path: Path) -> None:
    code = [cell for cell in cells(path) if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert _SECRET.search(path.read_text()) is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_all_parameters_of_a_notebook_are_in_one_cell(path: Path) -> None:
    tagged = [cell for cell in cells(path) if "parameters" in cell["metadata"].get("tags", ())]
    assert len(tagged) == 1
    constants = re.compile(r"^[A-Z][A-Z_]+ =", re.MULTILINE)
    named = {cell["id"] for cell in cells(path) if constants.search("".join(cell["source"]))}
    assert named == {tagged[0]["id"]}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_code_cell_has_a_word_before_it(path: Path) -> None:
    """A person reads it top to bottom: no two cells of code in a row, but for the last step of one."""
    kinds = "".join(cell["cell_type"][0] for cell in cells(path))
    assert kinds.startswith("m") and "ccc" not in kinds
