from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.packager.checked_trees import put
from webui_async.contract.errors import PackRefused, WriteFailed
from webui_async.model_files.folders import FOLDERS
from webui_async.packager.check import check_tree
from webui_async.packager.layout import new_tree

LAYOUT = Path(__file__).resolve().parents[3] / "model_layout"


def test_a_new_tree_has_every_folder_and_its_readme(tmp_path: Path) -> None:
    made = new_tree(tmp_path / "models")
    assert [path.name for path in made] == list(FOLDERS)
    for path in made:
        assert (path / "README.md").read_bytes() == (LAYOUT / path.name / "README.md").read_bytes()
        assert [found.name for found in path.iterdir()] == ["README.md"]


def test_a_new_tree_lacks_nothing_but_a_checkpoint(tmp_path: Path) -> None:
    new_tree(tmp_path)
    assert [found.path for found in check_tree(tmp_path).refused] == ["Stable-diffusion/"]


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    put(tmp_path / "mine" / "a.txt")
    with pytest.raises(PackRefused, match=r"mine is there and not empty: give a new folder"):
        new_tree(tmp_path / "mine")
    with pytest.raises(PackRefused, match=r"a\.txt is there and not empty"):
        new_tree(tmp_path / "mine" / "a.txt")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["a.txt"]


def test_a_place_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    put(tmp_path / "file")
    with pytest.raises(WriteFailed, match=r"cannot make .*file/models: Not a directory"):
        new_tree(tmp_path / "file" / "models")


def test_every_folder_of_a_pack_is_explained() -> None:
    told = (LAYOUT / "README.md").read_text()
    linked = re.findall(r"^\| \[([\w-]+)/\]\(([\w-]+)/README\.md\)", told, re.MULTILINE)
    assert {name for name, _ in linked} == set(FOLDERS) and all(name == link for name, link in linked)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_readme_says_what_goes_in_and_how_it_is_asked_for(folder: str) -> None:
    text = (LAYOUT / folder / "README.md").read_text()
    assert text.startswith(f"# {folder}")
    assert "**Here:**" in text and "**In the API:**" in text
