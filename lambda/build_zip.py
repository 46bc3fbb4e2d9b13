"""What a function's zip holds: handlers/ and the part of webui_async that it imports.

    python lambda/build_zip.py FOLDER      a folder, for sam build
    python lambda/build_zip.py FILE.zip    the zip itself

boto3 comes with Lambda, aws-lambda-powertools with the layer. Every function has the same zip.
"""

from __future__ import annotations

import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_OF_LIBRARY = ("__init__.py", "store.py", "retry.py", "contract/*.py")


def sources() -> Iterator[tuple[Path, str]]:
    """Each file with its name in the zip."""
    for file in sorted((ROOT / "lambda" / "handlers").rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file, f"handlers/{file.relative_to(ROOT / 'lambda' / 'handlers')}"
    for pattern in _OF_LIBRARY:
        for file in sorted((ROOT / "webui_async").glob(pattern)):
            yield file, str(file.relative_to(ROOT))


def write_folder(folder: Path) -> None:
    for file, name in sources():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / name)


def write_zip(path: Path) -> None:
    """The same files give the same bytes, so an unchanged function is not deployed again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, name in sources():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16  # or Lambda may not read it
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    write_zip(target) if target.suffix == ".zip" else write_folder(target)
