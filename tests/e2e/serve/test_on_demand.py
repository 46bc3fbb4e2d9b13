"""Models that are in the bucket and not in the pack: fetched by a real container for its jobs."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.serve.harness import PAYLOAD, Container, new_job, open_store, wait_for
from tests.unit.model_files.weights import SD1, SD1_LORA, SDXL_LORA, Shapes, write_weights
from webui_async.contract import keys
from webui_async.contract.catalog import facts_of
from webui_async.contract.job import Job, Result, Status

Start = Callable[..., Container]
CHECKPOINTS, LORAS = "Stable-diffusion", "Lora"


class Models:
    """What a test has put under models/; each name is its own."""

    def __init__(self, s3_url: str, place: Path):
        self.store, self._place = open_store(s3_url), place
        self._put: list[str] = []

    def put(self, folder: str = LORAS, shapes: Shapes = SD1_LORA, dtype: str = "F16") -> str:
        """A good file as the packager leaves it, and its name without the ending."""
        data = write_weights(self._place / "made.safetensors", shapes, dtype).read_bytes()
        return self.put_bytes(data, folder)

    def put_bytes(
        self, data: bytes, folder: str = LORAS, sha256: str | None = None, ending: str = ".safetensors"
    ) -> str:
        """Any file; sha256: another one than its own, "" for none."""
        name = f"m{secrets.token_hex(4)}"
        self.replace(
            folder, name + ending, data, hashlib.sha256(data).hexdigest() if sha256 is None else sha256
        )
        return name

    def replace(self, folder: str, file_name: str, data: bytes, sha256: str) -> None:
        key = keys.model(folder, file_name)
        self._put.append(key)
        metadata = {"sha256": sha256} if sha256 else {}
        self.store.s3.put_object(Bucket=self.store.bucket, Key=key, Body=data, Metadata=metadata)

    def remove(self) -> None:
        for key in self._put:
            self.store.delete(key)


@pytest.fixture
def models(s3_url: str, tmp_path: Path) -> Iterator[Models]:
    models = Models(s3_url, tmp_path)
    yield models
    models.remove()


def job_with(lora: str) -> Job:
    return new_job(PAYLOAD | {"prompt": f"a red boat <lora:{lora}:1>"})


def result_of(container: Container, job: Job) -> Result:
    result = container.store.result(job.id)
    assert result is not None, container.log
    return result


def drawn(container: Container, job: Job) -> Result:
    container.draw(job)
    return result_of(container, job)


def fetches(container: Container, name: str) -> int:
    """How often the container has fetched the file of that name, as it says itself."""
    return sum(f"/{name}.safetensors was fetched" in line for line in container.log.splitlines())


def listed(container: Container, route: str, name: str) -> bool:
    catalog = container.store.get_json(keys.catalog("ink")) or {}
    return any(name in (entry.get("name"), entry.get("model_name")) for entry in catalog[route])


def test_a_lora_that_is_only_in_the_bucket_is_drawn_with(container: Container, models: Models) -> None:
    lora = models.put()
    result = drawn(container, job_with(lora))
    assert result.status is Status.SUCCEEDED and not result.warnings, result.error
    link = container.data_dir / "models" / LORAS / f"{lora}.safetensors"
    assert link.is_symlink() and link.resolve().is_file()
    wait_for(lambda: listed(container, "loras", lora))


def test_a_checkpoint_that_is_only_in_the_bucket_draws(container: Container, models: Models) -> None:
    checkpoint = models.put(CHECKPOINTS, SD1)
    job = new_job(PAYLOAD | {"override_settings": {"sd_model_checkpoint": checkpoint}})
    result = drawn(container, job)
    assert result.status is Status.SUCCEEDED, result.error
    assert result.info["sd_model_name"] == checkpoint and not result.warnings


def test_the_catalog_lists_what_can_be_fetched_before_it_is(start: Start, models: Models) -> None:
    lora, checkpoint = models.put(), models.put(CHECKPOINTS, SD1)
    pickle = models.put_bytes(b"\x80\x02", ending=".ckpt")
    container = start().wait_ready()
    catalog = container.store.get_json(keys.catalog("ink")) or {}
    assert listed(container, "loras", lora) and listed(container, "sd-models", checkpoint)
    assert facts_of(catalog, "loras", lora).on_demand
    assert facts_of(catalog, "sd-models", checkpoint).on_demand
    assert not facts_of(catalog, "sd-models", "fixed").on_demand and pickle not in str(catalog)
    assert fetches(container, lora) == 0


def test_ten_jobs_at_once_cause_one_download(start: Start, models: Models) -> None:
    container = start(flags="--delay 0.1", max_jobs=10).wait_ready()
    lora = models.put(shapes=SD1_LORA | {"lora_unet_large.lora_down.weight": (20_000, 768)})
    jobs = [container.accept(job_with(lora)) for _ in range(10)]
    for call in [container.invoke(job) for job in jobs]:
        assert call.answer().status_code == 200
    assert [result_of(container, job).status for job in jobs] == [Status.SUCCEEDED] * 10
    assert fetches(container, lora) == 1


def test_ping_is_well_while_a_model_is_fetched(container: Container, models: Models) -> None:
    lora = models.put(shapes=SD1_LORA | {"lora_unet_large.lora_down.weight": (40_000, 768)})
    call = container.invoke(container.accept(job_with(lora)))
    part = container.place / "fetched" / LORAS / f"{lora}.safetensors.part"
    wait_for(part.exists)
    assert container.ping() == 200 and part.exists()
    assert len(call.answer().json()["images"]) == 1


@pytest.mark.parametrize(
    ("sha256", "says"),
    [("", "so nobody can tell whether it is whole"), ("0" * 64, "was recorded when it was made")],
)
def test_a_file_that_cannot_be_verified_ends_its_job_with_the_cause(
    container: Container, models: Models, tmp_path: Path, sha256: str, says: str
) -> None:
    data = write_weights(tmp_path / "whole.safetensors", SD1_LORA).read_bytes()
    lora = models.put_bytes(data, sha256=sha256)
    error = drawn(container, job_with(lora)).error or {}
    assert error["code"] == "bad_model_file" and f"{lora}.safetensors" in error["message"]
    assert says in error["message"]
    assert not list((container.place / "fetched").rglob(f"{lora}*"))
    models.replace(LORAS, f"{lora}.safetensors", data, hashlib.sha256(data).hexdigest())
    assert drawn(container, job_with(lora)).status is Status.SUCCEEDED


@pytest.mark.parametrize("kept", [5, 100, -1])
def test_a_file_that_was_cut_before_it_was_pushed_ends_its_job_with_the_cause(
    container: Container, models: Models, tmp_path: Path, kept: int
) -> None:
    data = write_weights(tmp_path / "whole.safetensors", SD1_LORA).read_bytes()
    lora = models.put_bytes(data[:kept])
    error = drawn(container, job_with(lora)).error or {}
    assert error["code"] == "bad_model_file" and f"{lora}.safetensors" in error["message"]
    assert not list((container.place / "fetched").rglob(f"{lora}*"))
    assert drawn(container, new_job()).status is Status.SUCCEEDED


def test_a_lora_of_the_wrong_family_ends_its_job_with_the_cause(container: Container, models: Models) -> None:
    error = drawn(container, job_with(models.put(shapes=SDXL_LORA))).error or {}
    assert error["code"] == "family_mismatch"


@pytest.mark.parametrize("ending", [".ckpt", ".pt", ".pth", ".bin", ".yaml", ".safetensors.yaml"])
def test_what_can_run_code_is_never_fetched(container: Container, models: Models, ending: str) -> None:
    name = models.put_bytes(b"\x80\x02", ending=ending)
    error = drawn(container, job_with(name)).error or {}
    assert error["code"] == "unknown_lora"
    assert not list(container.place.rglob(f"{name}*"))


def test_the_least_recently_used_goes_and_is_fetched_again(start: Start, models: Models) -> None:
    first, second = models.put(), models.put()
    size = models.store.head(keys.model(LORAS, f"{first}.safetensors"))
    assert size is not None
    container = start(fetch_budget_bytes=size.size + 10).wait_ready()
    for lora in (first, second, first):
        assert drawn(container, job_with(lora)).status is Status.SUCCEEDED, container.log
        links = (container.data_dir / "models" / LORAS).iterdir()
        assert {link.stem for link in links} == {lora}
    assert fetches(container, first) == 2 and fetches(container, second) == 1
    assert len(list((container.place / "fetched").rglob("*.safetensors"))) == 1


def test_what_is_larger_than_the_budget_ends_its_job_with_the_cause(start: Start, models: Models) -> None:
    container = start(fetch_budget_bytes=100).wait_ready()
    error = drawn(container, job_with(models.put())).error or {}
    assert error["code"] == "model_too_large" and "WEBUI_ASYNC_FETCH_BUDGET_BYTES" in error["message"]


def test_what_was_fetched_is_there_for_an_engine_that_was_started_again(start: Start, models: Models) -> None:
    container = start("dies_while_drawing.py", "--times 1").wait_ready()
    lora = models.put()
    result = drawn(container, job_with(lora))
    assert result.status is Status.SUCCEEDED, result.error
    assert len({entry["pid"] for entry in container.drawings()}) == 2 and fetches(container, lora) == 1


def test_what_an_earlier_run_has_fetched_is_removed(start: Start, open_place: Path) -> None:
    half = open_place / "fetched" / LORAS / "half.safetensors.part"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    start().wait_ready()
    assert not half.exists()


@contextlib.contextmanager
def small_disk(place: Path, options: str = "size=64k") -> Iterator[None]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_disk_that_is_full_while_fetching_ends_its_job_with_the_cause_and_nothing_else(
    start: Start, models: Models, open_place: Path
) -> None:
    lora = models.put(shapes=SD1_LORA | {"lora_unet_large.lora_down.weight": (100, 768)})
    with small_disk(open_place / "fetched"):
        container = start().wait_ready()
        error = drawn(container, job_with(lora)).error or {}
        assert error["code"] == "disk_full" and "No space left on device" in error["message"]
        assert container.ping() == 200
        assert not list((open_place / "fetched").rglob(f"{lora}*"))
        assert drawn(container, new_job()).status is Status.SUCCEEDED
        assert container.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_an_engines_folder_that_is_full_ends_the_job_that_fetches_with_the_cause_and_nothing_else(
    start: Start, models: Models, open_place: Path
) -> None:
    lora = models.put()
    with small_disk(open_place / "data", "size=1m,nr_inodes=100"):
        container = start().wait_ready()
        with contextlib.suppress(OSError):
            for number in itertools.count():
                (container.data_dir / f"filler{number}").touch()
        error = drawn(container, job_with(lora)).error or {}
        assert error["code"] == "disk_full" and "WEBUI_ASYNC_DATA_DIR" in error["message"]
        assert not list((open_place / "fetched").rglob(f"{lora}*"))
        assert container.ping() == 200 and drawn(container, new_job()).status is Status.SUCCEEDED
        for filler in container.data_dir.glob("filler*"):
            filler.unlink()
        assert drawn(container, job_with(lora)).status is Status.SUCCEEDED
        assert container.stop() == 0
