"""Dockerfile.inference and serve agree on places and users, and what is copied is enough to run."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from serve import launch
from webui_async.contract.settings import ServeSettings

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile.inference").read_text().replace("\\\n", " ")
SETTINGS = ServeSettings(bucket="art", endpoint="ink")


def instructions(word: str) -> list[str]:
    """What follows a word, from all stages."""
    return re.findall(rf"^{word} +(.*)$", DOCKERFILE, re.MULTILINE)


def copied() -> list[str]:
    """Every path of the checkout that goes into some stage."""
    given = [line.split()[:-1] for line in instructions("COPY") if not line.startswith("--from")]
    return [path for paths in given for path in paths]


def context() -> list[str]:
    """What .dockerignore lets through."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    return [line.removeprefix("!") for line in lines if line.startswith("!")]


def test_the_default_base_image_is_named_by_digest() -> None:
    (base,) = [line for line in instructions("ARG") if line.startswith("BASE_IMAGE=")]
    assert re.search(r"@sha256:[0-9a-f]{64}$", base)


def test_the_engine_has_one_default_though_it_is_written_twice() -> None:
    assert "ARG ENGINE=stock\n" in DOCKERFILE and "FROM engine-${ENGINE:-stock} AS image\n" in DOCKERFILE


def test_no_stage_copies_what_dockerignore_keeps_out() -> None:
    for path in copied():
        assert (ROOT / path).exists(), path
        assert any(
            path == allowed or path.startswith(f"{allowed}/") or allowed.startswith(f"{path}/")
            for allowed in context()
        )


def test_serve_runs_on_what_is_copied_and_nothing_else(tmp_path: Path) -> None:
    for path in context():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / path).is_dir():
            shutil.copytree(ROOT / path, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / path, target)
    shutil.rmtree(tmp_path / "diffusers_webui")
    # Isolated, so that the installed project is found no more than in the image.
    program = (
        f"import sys; sys.path[0:0] = [{str(tmp_path)!r}]; import serve.__main__ as m; print(m.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith(str(tmp_path)), done.stderr


def test_the_engine_finds_its_user_and_serve_its_folders() -> None:
    assert f"--uid {SETTINGS.engine_uid} " in DOCKERFILE and f"--gid {SETTINGS.engine_uid} " in DOCKERFILE
    assert f"ARG VENV={Path(launch.STOCK_PROGRAM[0]).parents[1]}" in DOCKERFILE
    assert f"COPY --from=stock-webui /src/webui {launch.STOCK_WEBUI}\n" in DOCKERFILE
    assert SETTINGS.webui_dir == "/opt/webui-async/stable-diffusion-webui"
    assert "COPY --from=serve /opt/webui-async/code /opt/webui-async\n" in DOCKERFILE
    assert "COPY stable-diffusion-webui code/stable-diffusion-webui\n" in DOCKERFILE


def test_what_the_image_sets_for_the_engine_reaches_it() -> None:
    of_the_engine = {"HF_HOME", "LD_PRELOAD", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"}
    set_by_the_image = set(re.findall(r"([A-Z_]+)=", " ".join(instructions("ENV"))))
    assert of_the_engine <= set_by_the_image and of_the_engine <= set(launch.PASSED_ON)
