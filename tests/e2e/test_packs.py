"""From a folder of weights to a picture: model packs in both forms, and models on demand."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.e2e.road import PAYLOAD, Road, eventually
from tests.unit.model_files.weights import SD1_LORA
from tests.unit.packager.random_trees import files_of, write_model, write_tree
from webui_async.client import ApiError
from webui_async.contract import keys, manifest
from webui_async.contract.job import Status
from webui_async.local.stack import ENDPOINT

LORA_FIELDS = ("name", "type", "family", "on_demand")


def get(road: Road, path: str) -> Any:
    key = {"x-api-key": road.stack.cloud.api_key.value}
    answer = requests.get(f"{road.stack.api_url}{path}", headers=key, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def listed_loras(road: Road) -> dict[str, Any]:
    """The LoRAs of GET /models by name."""
    return {lora["name"]: lora for lora in get(road, "/models")["loras"]}


def stock_loras(road: Road) -> list[dict[str, Any]]:
    """The LoRAs as the stock webui lists them; the engine sorts them, what it has not read yet comes last."""
    return sorted(get(road, "/sdapi/v1/loras"), key=lambda lora: str(lora["name"]))


def prompt_with(lora: str) -> dict[str, Any]:
    return PAYLOAD | {"prompt": f"a red star <lora:{lora}:1>"}


def draw_with(road: Road, lora: str) -> None:
    job = road.wait(road.client.submit("txt2img", prompt_with(lora)).id)
    assert job.status is Status.SUCCEEDED, job.error


def refusal_of(road: Road, lora: str) -> tuple[int, str]:
    with pytest.raises(ApiError, match=repr(lora)) as refused:
        road.client.submit("txt2img", prompt_with(lora))
    return refused.value.http_status, refused.value.code


def replace_endpoint(road: Road, pack_uri: str) -> None:
    """The endpoint has another pack: instances with it take over from those it had."""
    old = road.serve_pid()
    road.stack.create_endpoint(pack_uri)
    eventually(lambda: not psutil.pid_exists(old), 60.0)
    road.stack.wait_ready()


def seen_by_engine(road: Road, lora: str) -> Path:
    """Where the file lies that the engine's link leads to."""
    (link,) = road.stack.options.work_dir.glob(f"instances/*/data/models/Lora/{lora}.safetensors")
    return link.resolve()


@pytest.mark.parametrize("form", manifest.FORMS)
def test_a_pack_that_was_pushed_becomes_an_endpoint_that_draws_with_a_lora_out_of_it(
    road: Road, tmp_path: Path, form: str
) -> None:
    tree, lora = write_tree(tmp_path / "tree"), f"style-of-{form.replace('.', '-')}"
    path = write_model(tree / "Lora" / f"{lora}.safetensors", SD1_LORA)
    uri = road.models("push", tree, f"{road.bucket_uri}/packs/{lora}", "--form", form)[-1]
    replace_endpoint(road, uri)
    draw_with(road, lora)

    place = seen_by_engine(road, lora)
    pack = place.parents[1]
    assert pack.is_relative_to(road.stack.options.work_dir / "packs")
    files = files_of(pack)
    noted = manifest.Manifest.from_bytes(files.pop(manifest.NAME))
    assert files == files_of(tree) and noted.form == form
    assert not [path for path in pack.rglob("*") if path.is_file() and path.stat().st_mode & 0o222]
    facts = {file.path: file for file in noted.files}[f"Lora/{lora}.safetensors"]
    assert listed_loras(road)[lora] == {
        "name": lora,
        "type": "LoRA",
        "family": "SD1",
        "hash": facts.hash,
        "sha256": facts.sha256,
        "on_demand": False,
        "alias": lora,
    }
    assert path.read_bytes() == place.read_bytes()


def test_the_archive_unpacks_with_plain_tar_into_what_was_packed(road: Road, tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", loras=3, checkpoint_numbers=3_000_000)
    (tree / "Lora" / "style-0.txt").write_text("a note that is packed")
    uri = road.models("push", tree, f"{road.bucket_uri}/packs/plain", "--form", manifest.ARCHIVE)[-1]
    road.models("pack", tree, tmp_path / "packed.tar.gz")
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(road.stack.store.get_bytes(uri.removeprefix(f"{road.bucket_uri}/")) or b"")
    assert archive.read_bytes() == (tmp_path / "packed.tar.gz").read_bytes()

    (tmp_path / "unpacked").mkdir()
    subprocess.run(["tar", "xzf", archive, "--directory", tmp_path / "unpacked"], check=True, timeout=60)
    unpacked = files_of(tmp_path / "unpacked")
    assert unpacked.pop(manifest.NAME)
    assert unpacked == files_of(tree)


def test_a_lora_that_is_added_while_the_endpoint_runs_is_drawn_with_and_nothing_restarts(
    road: Road, tmp_path: Path
) -> None:
    path = write_model(tmp_path / "ink-wash.safetensors", SD1_LORA)
    serve = psutil.Process(road.serve_pid())
    engines = [(engine.pid, engine.create_time()) for engine in serve.children()]
    assert refusal_of(road, "ink-wash") == (422, "unknown_lora")

    assert road.models("add", path, "--bucket", road.bucket_uri)[-1] == f"listed by {ENDPOINT}"
    before = listed_loras(road)["ink-wash"]
    assert [before[field] for field in LORA_FIELDS] == ["ink-wash", "LoRA", "SD1", True]
    assert len(before["hash"]) == 12 and len(before["sha256"]) == 64
    stock = stock_loras(road)
    assert {"name": "ink-wash", "alias": "ink-wash", "metadata": {}} in stock

    long = road.submit(steps=30)
    job = road.client.submit("txt2img", prompt_with("ink-wash"))
    road.wait_drawing(long.id)
    road.stack.store.delete(keys.catalog(ENDPOINT))  # the container writes it anew once it has the file
    assert road.wait(job.id).status is Status.SUCCEEDED
    assert seen_by_engine(road, "ink-wash").read_bytes() == path.read_bytes()
    eventually(lambda: road.stack.store.exists(keys.catalog(ENDPOINT)))
    assert listed_loras(road)["ink-wash"] == before
    assert stock_loras(road) == stock
    assert [(engine.pid, engine.create_time()) for engine in serve.children()] == engines

    assert road.models("remove", "ink-wash", "--bucket", road.bucket_uri)[-1].endswith(ENDPOINT)
    assert "ink-wash" not in listed_loras(road)
    assert refusal_of(road, "ink-wash") == (422, "unknown_lora")
