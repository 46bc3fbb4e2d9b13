"""Imports point down only, and the bottom imports alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: room -> the rooms of ours it may import.
ALLOWED = {
    "webui_async.contract": set(),
    "webui_async.store": {"webui_async.contract"},
    "webui_async.model_files": {"webui_async.contract"},
    "webui_async.packager": {"webui_async.contract", "webui_async.store", "webui_async.model_files"},
    "webui_async.deploy": {
        "webui_async.contract",
        "webui_async.store",
        "webui_async.model_files",
        "webui_async.packager",
    },
    "webui_async.retry": {"webui_async.contract", "webui_async.store"},
    "handlers": {"webui_async.contract", "webui_async.store", "webui_async.retry"},
    "serve": {"webui_async.contract", "webui_async.store", "webui_async.model_files"},
    "webui_async.transport": {"webui_async.contract"},
    "webui_async.client": {
        "webui_async.contract",
        "webui_async.store",
        "webui_async.retry",
        "webui_async.transport",
    },
    "webui_async.connect": {"webui_async.client", "webui_async.contract", "webui_async.deploy"},
    "webui_async.simulate": {"webui_async.contract"},
    "webui_async.local": {
        "webui_async.contract",
        "webui_async.store",
        "webui_async.retry",
        "webui_async.client",
        "webui_async.deploy",
        "webui_async.packager",
    },
    "webui_async.cli": {
        "webui_async.contract",
        "webui_async.store",
        "webui_async.client",
        "webui_async.deploy",
        "webui_async.local",
        "webui_async.packager",
        "webui_async.simulate",
    },
    "diffusers_webui": set(),
    "painter": set(),
}
OURS = ("webui_async", "handlers", "serve", "diffusers_webui", "painter", "tests")


def room_of(module: str) -> str | None:
    """The room a module of ours is in; None for other people's."""
    if module.split(".")[0] not in OURS:
        return None
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "webui_async" and len(parts) > 1 else parts[0]


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files_of(room: str) -> list[Path]:
    base = ROOT / ("lambda/handlers" if room == "handlers" else room.replace(".", "/"))
    return sorted(base.rglob("*.py")) if base.is_dir() else [base.with_suffix(".py")]


@pytest.mark.parametrize("room", ALLOWED)
def test_imports_point_down_only(room: str) -> None:
    allowed = ALLOWED[room] | {room, "webui_async.__version__", "webui_async"}
    for path in files_of(room):
        foreign = {found for name in imports_of(path) if (found := room_of(name)) and found not in allowed}
        assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)}"


@pytest.mark.parametrize(
    "room",
    [
        "webui_async.contract",
        "webui_async.store",
        "webui_async.model_files",
        "webui_async.retry",
        "handlers",
        "serve",
    ],
)
def test_nothing_deployed_knows_of_the_local_stack(room: str) -> None:
    for path in files_of(room):
        text = path.read_text().lower()
        assert "moto" not in text and "webui_async.local" not in text and "diffusers_webui" not in text, path


def test_the_contract_imports_with_the_standard_library_alone() -> None:
    script = (
        "import importlib, pkgutil, sys; sys.path.insert(0, sys.argv[1]); import webui_async.contract as c\n"
        "for m in pkgutil.iter_modules(c.__path__): importlib.import_module(c.__name__ + '.' + m.name)"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", script, str(ROOT)], check=True)


def test_every_room_of_the_house_is_walked() -> None:
    modules = {
        path.stem for path in (ROOT / "webui_async").iterdir() if path.suffix == ".py" or path.is_dir()
    }
    rooms = {room.split(".")[1] for room in ALLOWED if room.startswith("webui_async.")}
    assert modules - {"__init__", "__pycache__", "py"} <= rooms
