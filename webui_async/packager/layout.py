"""An empty model tree to fill."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from webui_async.contract.errors import PackRefused, WriteFailed
from webui_async.model_files.folders import FOLDERS

#: model_layout/ of the project, by a link, so that there is one text.
_LAYOUT = resources.files("webui_async.packager") / "model_layout"
_README = "README.md"


def new_tree(folder: Path) -> list[Path]:
    """Makes every folder of a pack below `folder`, each with the README that explains it, and gives them.

    Raises PackRefused when there is something in `folder`, WriteFailed when it cannot be made.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise PackRefused(f"{folder} is there and not empty: give a new folder")
        places = [folder / name for name in FOLDERS]
        for place in places:
            place.mkdir(parents=True)
            (place / _README).write_bytes((_LAYOUT / place.name / _README).read_bytes())
    except OSError as error:
        raise WriteFailed(f"cannot make {folder}: {error.strerror or error}") from error
    return places
