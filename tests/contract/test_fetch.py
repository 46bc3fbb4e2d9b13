"""stable-diffusion-webui/fetch.sh, run against repositories on this machine's disk in GitHub's place."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "stable-diffusion-webui"
TOKENIZER_FILES = [
    "config.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer_config.json",
    "vocab.json",
]
#: Where the webui looks for each. Source: its modules/paths.py and launch_utils.py.
FOLDERS = {
    "WEBUI": "webui",
    "ASSETS": "webui/repositories/stable-diffusion-webui-assets",
    "STABLE_DIFFUSION": "webui/repositories/stable-diffusion-stability-ai",
    "STABLE_DIFFUSION_XL": "webui/repositories/generative-models",
    "K_DIFFUSION": "webui/repositories/k-diffusion",
    "BLIP": "webui/repositories/BLIP",
    "CONTROLNET": "webui/extensions/sd-webui-controlnet",
    "CLIP": "clip",
}
GIT_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.com",
}


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", folder, *words], env=GIT_ENVIRONMENT, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def make_repository(folder: Path) -> str:
    """A repository with a later commit than the pinned one, which is given."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet")
    commits = []
    for text in ("pinned", "later"):
        (folder / "content").write_text(f"{folder.name} {text}")
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "--message", text)
        commits.append(git(folder, "rev-parse", "HEAD"))
    return commits[0]


@pytest.fixture
def pins(tmp_path: Path) -> dict[str, str]:
    """The names of pins.env, each leading to this disk."""
    found = {}
    for name in FOLDERS:
        found[f"{name}_COMMIT_HASH"] = make_repository(tmp_path / "git" / name)
        found[f"{name}_REPO"] = f"file://{tmp_path}/git/{name}"
    snapshot = tmp_path / "host/openai/clip/resolve/abc123"
    snapshot.mkdir(parents=True)
    for name in TOKENIZER_FILES:
        (snapshot / name).write_text(name)
    return found | {
        "TOKENIZER_HOST": f"file://{tmp_path}/host",
        "TOKENIZER_REPO": "openai/clip",
        "TOKENIZER_COMMIT_HASH": "abc123",
    }


def fetch(pins: dict[str, str], place: Path) -> subprocess.CompletedProcess[str]:
    (place / "pins.env").write_text("".join(f"{name}={value}\n" for name, value in pins.items()))
    command = [FOLDER / "fetch.sh", place / "pins.env", place / "out"]
    return subprocess.run(command, env=GIT_ENVIRONMENT, capture_output=True, text=True, timeout=60)


def test_the_pins_have_the_names_that_fetch_reads(pins: dict[str, str]) -> None:
    lines = (FOLDER / "pins.env").read_text().splitlines()
    assert {line.partition("=")[0] for line in lines if line and line[0] != "#"} == set(pins)


def test_everything_lies_where_the_webui_looks_at_the_pinned_commit(
    pins: dict[str, str], tmp_path: Path
) -> None:
    done = fetch(pins, tmp_path)
    assert done.returncode == 0, done.stderr
    for name, folder in FOLDERS.items():
        assert (tmp_path / "out" / folder / "content").read_text() == f"{name} pinned"
    assert not list((tmp_path / "out").rglob(".git"))
    assert (tmp_path / "out/webui/extensions/sd-webui-controlnet/annotator/clip_vision").is_dir()


def test_the_tokenizer_is_laid_out_as_the_hub_caches_it(pins: dict[str, str], tmp_path: Path) -> None:
    fetch(pins, tmp_path)
    cache = tmp_path / "out/huggingface/hub/models--openai--clip"
    assert (cache / "refs/main").read_text() == "abc123"
    assert (cache.parent / "version.txt").read_text() == "1"
    assert sorted(path.name for path in (cache / "snapshots/abc123").iterdir()) == TOKENIZER_FILES


def test_a_commit_that_is_not_there_ends_it_by_name(pins: dict[str, str], tmp_path: Path) -> None:
    done = fetch(pins | {"BLIP_COMMIT_HASH": "0" * 40}, tmp_path)
    assert done.returncode == 1
    assert f"{pins['BLIP_REPO']} does not give commit {'0' * 40}" in done.stderr
