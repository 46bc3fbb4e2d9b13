"""A function's zip, alone: with boto3 and powertools beside it, and nothing else of ours."""

from __future__ import annotations

import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: What Lambda's Python has, and the powertools layer.
BESIDE = {
    "boto3", "botocore", "s3transfer", "urllib3", "jmespath", "dateutil", "six",
    "aws_lambda_powertools", "typing_extensions",
    "certifi",  # botocore asks for it and has its own where it is not there
}  # fmt: skip

#: Prints where each module of ours came from, and the names of everybody else's.
PROBE = """
import sys
before = set(sys.modules)
sys.path.insert(0, sys.argv[1])
module = __import__(sys.argv[2], fromlist=["handler"])
assert callable(module.handler)
for name, loaded in sorted(sys.modules.items()):
    file = getattr(loaded, "__file__", None) or ""
    if name.split(".")[0] in ("handlers", "webui_async"):
        print("ours", file)
    elif "site-packages" in file and name not in before:
        print("theirs", name.split(".")[0])
"""


@pytest.fixture(scope="module")
def function_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zip") / "function.zip"
    runpy.run_path(str(ROOT / "lambda" / "build_zip.py"))["write_zip"](path)
    return path


def test_the_zip_holds_the_handlers_and_what_they_import_of_the_library(function_zip: Path) -> None:
    names = set(zipfile.ZipFile(function_zip).namelist())

    assert {"handlers/submit.py", "webui_async/store.py", "webui_async/contract/keys.py"} <= names
    for name in names:
        assert name.startswith(
            ("handlers/", "webui_async/contract/", "webui_async/store", "webui_async/retry", "webui_async/__")
        )


def test_the_zip_is_no_larger_than_1_mb_and_lambda_may_read_it(function_zip: Path) -> None:
    assert function_zip.stat().st_size <= 1_000_000
    for entry in zipfile.ZipFile(function_zip).infolist():
        assert entry.external_attr >> 16 & 0o444 == 0o444


def test_the_same_files_make_the_same_zip(function_zip: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.zip"
    runpy.run_path(str(ROOT / "lambda" / "build_zip.py"))["write_zip"](again)

    assert again.read_bytes() == function_zip.read_bytes()


@pytest.mark.parametrize("name", ["submit", "api", "complete", "deliver", "reap"])
def test_a_handler_imports_from_the_zip_alone(function_zip: Path, tmp_path: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", PROBE, str(function_zip), f"handlers.{name}"],
        cwd=tmp_path,
        env={"AWS_DEFAULT_REGION": "eu-central-1"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    lines = [line.split(" ", 1) for line in done.stdout.splitlines()]
    assert all(file.startswith(str(function_zip)) for whose, file in lines if whose == "ours")
    assert {module for whose, module in lines if whose == "theirs"} <= BESIDE
