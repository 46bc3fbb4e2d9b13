"""The image, started as SageMaker starts it: it draws, it keeps its secrets, and it stops."""

from __future__ import annotations

import io
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import httpx
import psutil
from PIL import Image

from tests.e2e.serve.harness import new_job
from tests.image.commands import ROOT
from tests.image.running import RunningImage
from webui_async.contract import keys
from webui_async.contract.job import Status

ENGINE_UID = 10001
PAYLOAD = {"prompt": "a red circle", "seed": 7, "steps": 8, "width": 128, "height": 128}


def test_an_invocation_becomes_a_picture_and_a_result(container: RunningImage) -> None:
    job = new_job(PAYLOAD)
    container.store.put_json(keys.request(job.id), job.to_json())
    container.store.put_json(keys.queued(job.id, 1), {"attempt": 1})
    answer = httpx.post(
        f"{container.url}/invocations",
        json=job.to_json(),
        headers={"X-Amzn-SageMaker-Inference-Id": job.id, "X-Amzn-SageMaker-Custom-Attributes": "attempt=1"},
        timeout=120,
        trust_env=False,
    )
    assert answer.status_code == 200, container.log
    result = container.store.result(job.id)
    assert result is not None and result.status is Status.SUCCEEDED, container.log
    picture = Image.open(io.BytesIO(container.store.get_bytes(result.images[0].key) or b""))
    assert picture.format == "PNG" and picture.size == (128, 128)
    colours = picture.convert("RGB").getcolors(maxcolors=128 * 128)
    assert colours is None or len(colours) > 100, "the picture is all but one colour"


def test_the_engine_is_an_unprivileged_user_and_serve_is_root(container: RunningImage) -> None:
    assert set(container.serve().uids()) == {0}
    engine = container.engine()
    assert set(engine.uids()) == {ENGINE_UID} and set(engine.gids()) == {ENGINE_UID}
    status = Path(f"/proc/{engine.pid}/status").read_text()
    assert "Groups:\t \n" in status, "it kept a group of root's"
    assert "CapEff:\t0000000000000000\n" in status


def test_the_engine_sees_no_credentials(container: RunningImage) -> None:
    names = {name.split("=")[0] for name in environment_of(container.engine())}
    assert "PATH" in names and not [
        name for name in names if name.startswith("AWS_") or "CREDENTIALS" in name
    ]
    assert [name for name in environment_of(container.serve()) if name.startswith("AWS_CONTAINER_")]


def test_the_engine_can_write_to_its_own_place_only(container: RunningImage) -> None:
    owned = [path for path in container.rootfs.rglob("*") if path.lstat().st_uid == ENGINE_UID]
    outside = [path for path in owned if not path.is_relative_to(container.rootfs / "tmp")]
    assert owned and not outside
    mounts = Path(f"/proc/{container.engine().pid}/mountinfo").read_text().splitlines()
    pack = [fields for fields in map(str.split, mounts) if fields[4].endswith("/opt/ml/model")]
    assert pack and "ro" in pack[-1][5].split(",")


def test_the_word_serve_is_an_argument_of_an_exec_form_entry_point(config: dict[str, Any]) -> None:
    assert config["Entrypoint"] == ["/opt/webui-async/venv/bin/python", "-m", "serve"]
    assert not config.get("Cmd") and config.get("User", "") in ("", "root", "0")


def test_the_image_says_what_it_is(config: dict[str, Any]) -> None:
    labels = config["Labels"]
    assert (
        labels["webui-async.engine"] == "diffusers"
        and labels["org.opencontainers.image.version"] != "unversioned"
    )


def test_the_image_starts_offline(config: dict[str, Any]) -> None:
    assert {"HF_HUB_OFFLINE=1", "TRANSFORMERS_OFFLINE=1", "GRADIO_ANALYTICS_ENABLED=False"} <= set(
        config["Env"]
    )


def test_our_code_is_compiled(rootfs: Path) -> None:
    code = rootfs / "opt/webui-async"
    sources = [path for room in ("serve", "webui_async") for path in (code / room).rglob("*.py")]
    assert sources
    assert not [
        path
        for path in sources
        if not list((path.parent / "__pycache__").glob(f"{path.stem}.cpython-311.pyc"))
    ]


def test_the_packages_of_serve_are_those_of_the_lock(rootfs: Path) -> None:
    lock = (ROOT / "requirements.lock").read_text().splitlines()
    site = rootfs / "opt/webui-async/venv/lib/python3.11/site-packages"
    installed = {f"{found.name}=={found.version}" for found in distributions(path=[str(site)])}
    unlocked = {entry.split("==")[0] for entry in installed - set(lock)}
    assert len(installed) > 10 and unlocked == {"pip", "setuptools"}


def test_nothing_of_the_building_machine_is_in_the_image(rootfs: Path, config: dict[str, Any]) -> None:
    assert not (rootfs / "etc/pip.conf").exists()
    for folder in ("mnt", "root/.cache", "var/cache/apt", "var/lib/apt/lists"):
        assert not list((rootfs / folder).glob("*")), folder
    assert not [entry for entry in config["Env"] if entry.startswith(("PIP_NO_INDEX", "PIP_FIND_LINKS"))]


def test_sigterm_ends_the_container_and_all_it_started(container: RunningImage) -> None:
    started = [container.serve(), container.engine(), *container.engine().children(recursive=True)]
    assert container.stop() == 0, container.log
    assert not [
        process for process in started if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ]


def environment_of(process: psutil.Process) -> list[str]:
    """As the kernel has it, whatever the process has changed since."""
    return Path(f"/proc/{process.pid}/environ").read_text().split("\0")
