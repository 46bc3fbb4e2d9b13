"""Models from the bucket: found by name, fetched once for all who wait, evicted when nobody needs them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import os
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from serve.engine import Engine
from serve.on_demand import OnDemand
from serve.tasks import Check
from tests.unit.serve.bucket import MODIFIED, Bucket
from tests.unit.serve.fakes import until
from webui_async.contract.catalog import check_names, facts_of
from webui_async.contract.errors import (
    DiskFull,
    FetchFailed,
    JobCanceled,
    ModelFileError,
    ModelTooLarge,
    StoreError,
    UnknownName,
)
from webui_async.contract.fields import Names
from webui_async.contract.settings import ServeSettings

PACKED: dict[str, Any] = {
    "sd-models": [{"title": "oil.safetensors", "model_name": "oil", "hash": None, "sha256": None}],
    "loras": [{"name": "boats", "alias": "Boats by Ann"}],
    "sd-vae": [{"model_name": "soft.safetensors"}],
    "embeddings": {"loaded": {"calm": {}}, "skipped": {"xl-calm": {}}},
    "controlnet-models": ["canny [abcd1234]"],
}
DATA = b"0123456789" * 100


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """The coroutine function as a test."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        asyncio.run(test(**fixtures))

    return run


async def wanted() -> None:
    """A check of a job that nobody has canceled."""


def hold(
    on_demand: OnDemand, models: Any, check: Check = wanted
) -> contextlib.AbstractAsyncContextManager[None]:
    return on_demand.holding(models, check, 0.005)


def refuse_for_want_of_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FakeTree:
    """Says what the engine would see."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str], bytes] = {}
        self.builds = 0
        self.refusal: Exception | None = None

    def build(self) -> None:
        self.builds += 1

    def place(self, folder: str, path: Path) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.seen[folder, path.name] = path.read_bytes()

    def remove(self, folder: str, name: str) -> None:
        del self.seen[folder, name]


class FakeEngine(Engine):
    """Notes what it is told to read again."""

    def __init__(self, refusal: Exception | None = None):
        self.refusal, self.told = refusal, list[str]()

    async def refresh(self, route: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.told.append(route)

    async def list(self, path: str) -> Any:
        self.told.append(path)


class World:
    """A container's models on demand, and what stands around them."""

    def __init__(self, place: Path, budget_bytes: int):
        self.bucket, self.tree, self.place = Bucket(), FakeTree(), place
        settings = ServeSettings(
            "art", "ink", fetched_dir=str(place), fetch_budget_bytes=budget_bytes, fetch_parts=2
        )
        self.on_demand = OnDemand(self.bucket, self.tree, settings)

    def put(self, name: str, data: bytes = DATA, folder: str = "Lora", **more: Any) -> None:
        self.bucket.put(f"models/{folder}/{name}.safetensors", data, **more)

    def find(self, prompts: tuple[str, ...] = (), **named: str) -> list[str]:
        """The keys, less `models/`, that are found for Names of one name each."""
        names = Names(**{what: [("field", name)] for what, name in named.items()})
        found = asyncio.run(self.on_demand.find(names, PACKED, prompts))
        return [model.key.removeprefix("models/") for model in found]

    async def hold(self, *loras: str) -> HoldingJob:
        """A job that holds these LoRAs, or is on its way to."""
        names = Names(loras=[("prompt", lora) for lora in loras])
        return HoldingJob(self.on_demand, await self.on_demand.find(names, PACKED))

    async def use(self, lora: str) -> None:
        """One job that needs this LoRA, from its beginning to its end."""
        await (await (await self.hold(lora)).held()).release()

    @property
    def on_disk(self) -> set[str]:
        return {path.name for path in self.place.rglob("*") if path.is_file()}

    @property
    def seen(self) -> set[str]:
        return {name for _, name in self.tree.seen}


class HoldingJob:
    """Keeps models until it is released."""

    def __init__(self, on_demand: OnDemand, models: Any):
        self.is_holding, self._released = False, asyncio.Event()
        self.task = asyncio.create_task(self._hold(on_demand, models))

    async def _hold(self, on_demand: OnDemand, models: Any) -> None:
        async with hold(on_demand, models):
            self.is_holding = True
            await self._released.wait()

    async def held(self) -> HoldingJob:
        await until(lambda: self.is_holding or self.task.done())
        if self.task.done():
            await self.task
        return self

    async def release(self) -> None:
        self._released.set()
        await self.task


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "fetched", budget_bytes=2500)


# What is found


@pytest.mark.parametrize(
    ("what", "name", "folder"),
    [
        ("checkpoints", "ink", "Stable-diffusion"),
        ("checkpoints", "ink.safetensors", "Stable-diffusion"),
        ("loras", "ink", "Lora"),
        ("vaes", "ink.safetensors", "VAE"),
        ("controlnet_models", "ink", "ControlNet"),
    ],
)
def test_a_model_is_found_by_the_names_that_its_catalog_entry_would_have(
    world: World, what: str, name: str, folder: str
) -> None:
    world.put("ink", folder=folder)
    assert world.find(**{what: name}) == [f"{folder}/ink.safetensors"]
    check_names(Names(**{what: [("field", name)]}), world.on_demand.extended(PACKED), "txt2img")


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("checkpoints", "Ink"),
        ("checkpoints", "ink.safetensors [0123456789]"),
        ("checkpoints", "ink.ckpt"),
        ("loras", "ink.safetensors"),
        ("loras", "INK"),
        ("vaes", "ink"),
        ("controlnet_models", "ink2"),
        ("controlnet_models", "ink [0123abcd]"),
    ],
)
def test_a_name_that_the_webui_would_not_know_is_not_found(world: World, what: str, name: str) -> None:
    for folder in ("Stable-diffusion", "Lora", "VAE", "ControlNet"):
        world.put("ink", folder=folder)
    assert world.find(**{what: name}) == []
    with pytest.raises(UnknownName):
        check_names(Names(**{what: [("field", name)]}), world.on_demand.extended(PACKED), "txt2img")


@pytest.mark.parametrize(
    ("what", "name", "folder"),
    [
        ("checkpoints", "oil", "Stable-diffusion"),
        ("loras", "boats", "Lora"),
        ("vaes", "soft.safetensors", "VAE"),
        ("controlnet_models", "canny", "ControlNet"),
    ],
)
def test_what_the_pack_has_is_not_fetched(world: World, what: str, name: str, folder: str) -> None:
    world.put(name.removesuffix(".safetensors"), folder=folder)
    assert world.find(**{what: name}) == [] and world.bucket.lists == 0


@pytest.mark.parametrize(
    "key",
    [
        "models/Stable-diffusion/ink.ckpt", "models/Stable-diffusion/ink.yaml",
        "models/Stable-diffusion/ink.pt", "models/Stable-diffusion/ink.pth",
        "models/Stable-diffusion/ink.bin",
        "models/Stable-diffusion/ink.safetensors.pt", "models/Stable-diffusion/art/ink.safetensors",
        "models/stable-diffusion/ink.safetensors", "models/Other/ink.safetensors", "models/ink.safetensors",
        "models/Stable-diffusion/.safetensors", "models/Stable-diffusion/.ink.safetensors",
        "models/Stable-diffusion/..safetensors", "models/Stable-diffusion/in\nk.safetensors",
        f"models/Stable-diffusion/{'ink' * 70}.safetensors",
    ],
)  # fmt: skip
def test_only_plain_safetensors_right_in_their_folder_are_ever_offered(world: World, key: str) -> None:
    world.bucket.put(key, DATA)
    for name in ("ink", "ink.ckpt", "ink.safetensors", key.rpartition("/")[2], "", "." * 2):
        assert world.find(checkpoints=name) == []
    assert world.on_demand.extended(PACKED)["sd-models"] == PACKED["sd-models"]


def test_a_model_that_was_pushed_just_now_is_found(world: World) -> None:
    assert world.find(loras="new") == []
    world.put("new")
    assert world.find(loras="new") == ["Lora/new.safetensors"] and world.bucket.lists == 2


@in_loop
async def test_many_names_that_are_nowhere_have_the_bucket_asked_twice_at_most(world: World) -> None:
    world.bucket.list_gate.clear()
    finds = [world.on_demand.find(Names(loras=[("prompt", f"new{n}")]), PACKED) for n in range(8)]
    waiting = asyncio.gather(*finds)
    await until(lambda: world.bucket.lists)
    world.bucket.list_gate.set()
    assert await waiting == [[]] * 8 and world.bucket.lists <= 2


def test_a_bucket_that_cannot_be_listed_is_an_error_only_for_names_that_are_nowhere(world: World) -> None:
    world.bucket.refusal = StoreError("AccessDenied")
    assert world.find(loras="boats") == []
    assert world.find(prompts=("calm",)) == []
    with pytest.raises(FetchFailed, match=r"s3://art/models/ cannot be listed: AccessDenied"):
        world.find(loras="ink")


@pytest.mark.parametrize("prompt", ["a boat, Ink-Style", "(ink-style:1.2)", "ink-style", "[sea:ink-style:5]"])
def test_an_embedding_is_found_as_a_word_of_a_prompt(world: World, prompt: str) -> None:
    world.put("ink-style", folder="embeddings")
    world.put("calm", folder="embeddings")
    assert world.find(prompts=("", prompt)) == ["embeddings/ink-style.safetensors"]


@pytest.mark.parametrize("prompt", ["pink-style", "ink-styles", "ink style", "calm", ""])
def test_a_part_of_a_word_is_no_embedding_and_neither_is_what_the_pack_has(world: World, prompt: str) -> None:
    world.put("ink-style", folder="embeddings")
    world.put("calm", folder="embeddings")
    assert world.find(prompts=(prompt,)) == []


@in_loop
async def test_a_controlnet_model_that_was_fetched_is_found_by_the_name_that_the_engine_made(
    world: World,
) -> None:
    world.put("edges", folder="ControlNet")
    names = Names(controlnet_models=[("f", "edges")])
    async with hold(world.on_demand, await world.on_demand.find(names, PACKED)):
        pass
    listed = PACKED | {"controlnet-models": ["edges [89abcdef]"]}
    named = Names(controlnet_models=[("f", "edges [89abcdef]")])
    (found,) = await world.on_demand.find(named, listed)
    assert found.key == "models/ControlNet/edges.safetensors"


# What the catalog lists


def test_the_catalog_lists_what_can_be_fetched_as_the_webui_would(world: World) -> None:
    for folder in ("Stable-diffusion", "Lora", "VAE", "ControlNet", "embeddings"):
        world.put("ink", folder=folder)
    world.on_demand.build()
    catalog = world.on_demand.extended(PACKED)
    unread = {"hash": None, "sha256": None}
    assert catalog["sd-models"][1:] == [{"title": "ink.safetensors", "model_name": "ink"} | unread]
    assert catalog["loras"][1:] == [{"name": "ink", "alias": "ink", "metadata": {}}]
    assert catalog["sd-vae"][1:] == [{"model_name": "ink.safetensors"}]
    assert catalog["controlnet-models"] == ["canny [abcd1234]", "ink"]
    assert set(catalog["embeddings"]["loaded"]) == {"calm", "ink"}
    assert catalog["embeddings"]["skipped"] == {"xl-calm": {}}
    for route, name, packed in (
        ("sd-models", "ink", "oil"),
        ("loras", "ink", "boats"),
        ("sd-vae", "ink.safetensors", "soft.safetensors"),
        ("controlnet-models", "ink", "canny"),
        ("embeddings", "ink", "calm"),
    ):
        assert facts_of(catalog, route, name).on_demand and not facts_of(catalog, route, packed).on_demand
    assert len(PACKED["sd-models"]) == 1, "the engine's own catalog was changed"


def test_the_catalog_lists_nothing_twice(world: World) -> None:
    world.put("oil", folder="Stable-diffusion")
    world.put("boats")
    world.put("soft", folder="VAE")
    world.put("canny", folder="ControlNet")
    world.put("xl-calm", folder="embeddings")
    world.on_demand.build()
    assert world.on_demand.extended(PACKED) == PACKED


def test_a_checkpoint_that_was_fetched_once_is_known_by_its_hash_as_well(world: World) -> None:
    async def scenario() -> None:
        names = Names(checkpoints=[("field", "ink")])
        async with hold(world.on_demand, await world.on_demand.find(names, PACKED)):
            pass

    world.put("ink", folder="Stable-diffusion")
    asyncio.run(scenario())
    entry = world.on_demand.extended(PACKED)["sd-models"][1]
    assert entry["title"] == f"ink.safetensors [{entry['hash']}]" and entry["sha256"].startswith(
        entry["hash"]
    )
    assert world.find(checkpoints=entry["title"]) == ["Stable-diffusion/ink.safetensors"]


def test_what_is_offered_says_what_its_objects_say_and_each_is_asked_once(world: World) -> None:
    world.put("ink")
    world.put("oil-two", folder="Stable-diffusion")
    first = {model.stem: model.facts for model in asyncio.run(world.on_demand.offered())}
    assert [facts.on_demand for facts in first.values()] == [True, True]
    assert first["oil-two"].sha256 and first["oil-two"].hash == first["oil-two"].sha256[:10]
    asyncio.run(world.on_demand.offered())
    assert sorted(world.bucket.heads) == [
        "models/Lora/ink.safetensors",
        "models/Stable-diffusion/oil-two.safetensors",
    ]
    world.put("ink", modified=MODIFIED + 60)
    asyncio.run(world.on_demand.offered())
    assert len(world.bucket.heads) == 3, "another file has taken its place"


def test_what_is_offered_is_what_was_there_last_when_the_bucket_cannot_be_asked(world: World) -> None:
    world.put("ink")
    world.on_demand.build()
    world.bucket.refusal = StoreError("AccessDenied")
    (unknown,) = asyncio.run(world.on_demand.offered())
    assert unknown.stem == "ink" and unknown.facts.sha256 is None
    world.bucket.refusal = None
    (known,) = asyncio.run(world.on_demand.offered())
    assert known.facts.sha256, "it is asked again"


def test_an_engine_starts_without_the_bucket(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.bucket.refusal = StoreError("AccessDenied")
    world.on_demand.build()
    assert world.tree.builds == 1 and "nothing new is fetched on demand" in caplog.text


def test_what_an_earlier_run_has_fetched_is_removed_and_only_once(world: World) -> None:
    old = world.place / "Lora" / "old.safetensors.part"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"half")
    other = world.place / "not ours"
    other.write_bytes(b"stays")
    world.on_demand.build()
    assert not old.exists() and other.exists()
    old.parent.mkdir()
    old.write_bytes(b"fetched by this run")
    world.on_demand.build()
    assert old.exists()


# What is fetched and held


@in_loop
async def test_a_model_is_where_the_engine_looks_while_it_is_held_and_after(world: World) -> None:
    world.put("ink")
    before = world.on_demand.version
    job = await (await world.hold("ink")).held()
    assert world.tree.seen == {("Lora", "ink.safetensors"): DATA} and world.on_demand.version != before
    await job.release()
    assert world.seen == {"ink.safetensors"}


@in_loop
async def test_nothing_to_hold_asks_nobody(world: World) -> None:
    async with hold(world.on_demand, []):
        assert world.bucket.heads == [] and world.bucket.lists == 0


@in_loop
async def test_ten_jobs_that_want_one_file_cause_one_download(world: World) -> None:
    world.put("ink")
    world.bucket.gate.clear()
    jobs = [await world.hold("ink") for _ in range(10)]
    await until(lambda: world.bucket.downloads)
    assert not any(job.is_holding for job in jobs)
    world.bucket.gate.set()
    for job in jobs:
        await job.held()
    assert world.bucket.downloads == 1 and len(world.bucket.heads) == 1
    for job in jobs:
        await job.release()


@in_loop
async def test_a_held_file_is_fetched_no_second_time(world: World) -> None:
    world.put("ink")
    for _ in range(3):
        await world.use("ink")
    assert world.bucket.downloads == 1


@in_loop
async def test_all_who_wait_for_a_fetch_that_fails_get_its_error_and_the_next_tries_anew(
    world: World,
) -> None:
    world.put("ink", sha256="0" * 64)
    world.bucket.gate.clear()
    jobs = [await world.hold("ink") for _ in range(3)]
    await until(lambda: world.bucket.downloads)
    world.bucket.gate.set()
    errors = await asyncio.gather(*(job.task for job in jobs), return_exceptions=True)
    assert all(isinstance(error, ModelFileError) for error in errors) and world.bucket.downloads == 1
    assert world.on_disk == set() and world.seen == set()
    world.put("ink")
    await world.use("ink")
    assert world.bucket.downloads == 2


@in_loop
async def test_a_file_that_the_tree_refuses_is_removed(world: World) -> None:
    world.put("ink")
    world.tree.refusal = ModelFileError("ink.safetensors", "is cut")
    with pytest.raises(ModelFileError, match="is cut"):
        await (await world.hold("ink")).held()
    assert world.on_disk == set()


@in_loop
async def test_a_job_canceled_while_its_model_is_fetched_waits_no_longer_and_the_download_stops(
    world: World,
) -> None:
    async def canceled() -> None:
        raise JobCanceled("the job was canceled by its owner")

    world.put("ink", DATA * 2)
    world.bucket.gate.clear()
    models = await world.on_demand.find(Names(loras=[("prompt", "ink")]), PACKED)
    with pytest.raises(JobCanceled):
        async with hold(world.on_demand, models, canceled):
            raise AssertionError("nothing was fetched")
    world.bucket.gate.set()
    await until(lambda: not world.on_disk)
    assert world.seen == set()


@in_loop
async def test_a_download_that_nobody_waits_for_any_more_stops(world: World) -> None:
    world.put("ink", DATA * 2)
    world.bucket.gate.clear()
    first, second = await world.hold("ink"), await world.hold("ink")
    await until(lambda: world.bucket.downloads)
    first.task.cancel()
    await asyncio.wait({first.task})
    assert world.on_disk == {"ink.safetensors.part"}, "the second job still waits for it"
    second.task.cancel()
    await asyncio.wait({second.task})
    world.bucket.gate.set()
    await until(lambda: not world.on_disk)
    assert world.seen == set()


@in_loop
async def test_a_job_that_comes_while_a_download_is_being_stopped_gets_its_file(world: World) -> None:
    world.put("ink", DATA * 2)
    world.bucket.gate.clear()
    first = await world.hold("ink")
    await until(lambda: world.bucket.downloads)
    first.task.cancel()
    await asyncio.wait({first.task})
    second = await world.hold("ink")
    await asyncio.sleep(0)
    world.bucket.gate.set()
    await (await second.held()).release()
    assert world.tree.seen == {("Lora", "ink.safetensors"): DATA * 2}


@in_loop
async def test_an_object_that_vanished_is_an_unknown_name_for_the_next_job(world: World) -> None:
    world.put("ink")
    models = await world.on_demand.find(Names(loras=[("prompt", "ink")]), PACKED)
    world.bucket.objects.clear()
    with pytest.raises(FetchFailed, match="not there any more"):
        async with hold(world.on_demand, models):
            pass
    assert await world.on_demand.find(Names(loras=[("prompt", "ink")]), PACKED) == []


# Who goes when there is no room


@in_loop
async def test_the_least_recently_used_file_goes_first(world: World) -> None:
    for name in ("a", "b", "c"):
        world.put(name)
    for name in ("a", "b", "a", "c"):
        await world.use(name)
    assert world.seen == world.on_disk == {"a.safetensors", "c.safetensors"}


@in_loop
async def test_a_file_that_went_is_fetched_again_though_the_engine_still_lists_it(world: World) -> None:
    for name in ("a", "b", "c"):
        world.put(name)
    for name in ("a", "b", "c"):
        await world.use(name)
    stale = PACKED | {"loras": [{"name": "a", "alias": "a"}]}
    (found,) = await world.on_demand.find(Names(loras=[("prompt", "a")]), stale)
    async with hold(world.on_demand, [found]):
        assert "a.safetensors" in world.seen
    assert world.bucket.downloads == 4


@pytest.mark.parametrize("called", ["a", "Ann's"])
@in_loop
async def test_a_file_that_the_engine_lists_because_it_was_fetched_is_held_by_the_next_job(
    world: World, called: str
) -> None:
    for name in ("a", "b", "c"):
        world.put(name)
    await world.use("a")
    listed = PACKED | {"loras": [{"name": "a", "alias": "Ann's"}]}
    found = await world.on_demand.find(Names(loras=[("prompt", called)]), listed)
    async with hold(world.on_demand, found):
        for name in ("b", "c"):
            await world.use(name)
        assert world.seen == {"a.safetensors", "c.safetensors"}


@in_loop
async def test_a_file_in_use_never_goes_whoever_wants_room_waits(world: World) -> None:
    for name in ("a", "b", "c"):
        world.put(name)
    first, second = await (await world.hold("a")).held(), await (await world.hold("b")).held()
    third = await world.hold("c")
    await asyncio.sleep(0.05)
    assert not third.is_holding and world.seen == {"a.safetensors", "b.safetensors"}
    await second.release()
    await third.held()
    assert world.seen == {"a.safetensors", "c.safetensors"}
    await first.release()
    await third.release()


@in_loop
async def test_two_jobs_that_need_more_than_fits_do_not_wait_for_each_other(world: World) -> None:
    for name in ("a", "b", "c", "d"):
        world.put(name)
    first, second = await world.hold("a", "b"), await world.hold("c", "d")
    await first.held()
    assert not second.is_holding
    await first.release()
    await (await second.held()).release()
    assert world.seen == {"c.safetensors", "d.safetensors"}


@in_loop
async def test_a_large_file_gets_its_turn_before_later_jobs(world: World) -> None:
    world.put("a")
    world.put("large", DATA * 2)
    first = await (await world.hold("a")).held()
    large, later = await world.hold("large"), await world.hold("a")
    await asyncio.sleep(0.05)
    assert not large.is_holding and not later.is_holding
    await first.release()
    await large.held()
    assert not later.is_holding
    await large.release()
    await (await later.held()).release()


@in_loop
async def test_a_job_that_is_canceled_while_it_waits_for_room_stands_in_nobodys_way(world: World) -> None:
    for name in ("a", "b", "c"):
        world.put(name)
    first, second = await (await world.hold("a")).held(), await (await world.hold("b")).held()
    waiting, last = await world.hold("a", "c"), await world.hold("a")
    await asyncio.sleep(0.05)
    waiting.task.cancel()
    await (await last.held()).release()
    await first.release()
    await second.release()
    assert world.bucket.downloads == 2


@in_loop
async def test_what_can_never_fit_is_refused_at_once(world: World) -> None:
    world.put("large", DATA * 3)
    with pytest.raises(ModelTooLarge, match=r"large\.safetensors need 3,000 bytes.*keeps 2,500 at a time"):
        await (await world.hold("large")).held()
    assert world.bucket.heads == []


@in_loop
async def test_a_file_that_was_replaced_in_the_bucket_is_fetched_anew_once_nobody_uses_it(
    world: World,
) -> None:
    world.put("ink")
    job = await (await world.hold("ink")).held()
    world.put("ink", DATA[::-1], modified=MODIFIED + 60)
    world.on_demand.build()
    second = await (await world.hold("ink")).held()
    assert world.tree.seen["Lora", "ink.safetensors"] == DATA
    await job.release()
    await second.release()
    await world.use("ink")
    assert world.tree.seen["Lora", "ink.safetensors"] == DATA[::-1]


@in_loop
async def test_files_go_when_the_disk_is_smaller_than_the_budget(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_usage(path: Path) -> Any:
        return SimpleNamespace(free=1500 - 1000 * len(world.on_disk))

    for name in ("a", "b"):
        world.put(name)
    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    await world.use("a")
    await world.use("b")
    assert world.on_disk == {"b.safetensors"}


@in_loop
async def test_a_disk_that_is_held_by_others_is_not_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        world.put(name)
    first = await (await world.hold("a")).held()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    monkeypatch.setattr(os, "posix_fallocate", refuse_for_want_of_space)
    with pytest.raises(DiskFull):
        await world.use("b")
    assert first.is_holding and world.seen == {"a.safetensors"}
    await first.release()


# What the engine is told


@in_loop
async def test_the_engine_is_told_of_the_folders_that_changed_and_once(world: World) -> None:
    for folder in ("Stable-diffusion", "Lora", "VAE", "ControlNet", "embeddings"):
        world.put("ink", DATA[:100], folder=folder)
    names = Names(
        checkpoints=[("f", "ink")],
        loras=[("f", "ink")],
        vaes=[("f", "ink.safetensors")],
        controlnet_models=[("f", "ink")],
    )
    async with hold(world.on_demand, await world.on_demand.find(names, PACKED, ["ink"])):
        engine = FakeEngine()
        await world.on_demand.refresh(engine)
        routes = ["refresh-checkpoints", "refresh-embeddings", "refresh-loras", "refresh-vae"]
        assert sorted(engine.told) == ["/controlnet/model_list", *routes]
        engine.told.clear()
        await world.on_demand.refresh(engine)
        assert engine.told == []


@in_loop
async def test_the_engine_is_told_when_a_file_goes(world: World) -> None:
    for name in ("a", "b"):
        world.put(name)
    world.put("c", folder="VAE")
    for name in ("a", "b"):
        await world.use(name)
    await world.on_demand.refresh(FakeEngine())
    before = world.on_demand.version
    async with hold(
        world.on_demand, await world.on_demand.find(Names(vaes=[("f", "c.safetensors")]), PACKED)
    ):
        engine = FakeEngine()
        await world.on_demand.refresh(engine)
    assert engine.told == ["refresh-loras", "refresh-vae"] and world.on_demand.version == before + 2


@in_loop
async def test_an_engine_that_could_not_be_told_is_told_again(world: World) -> None:
    world.put("ink")
    await world.use("ink")
    with pytest.raises(ConnectionError):
        await world.on_demand.refresh(FakeEngine(ConnectionError()))
    engine = FakeEngine()
    await world.on_demand.refresh(engine)
    assert engine.told == ["refresh-loras"]


# When the disk does not do its part


@pytest.mark.parametrize(
    ("number", "error", "remedy"),
    [(errno.EACCES, FetchFailed, ""), (errno.ENOSPC, DiskFull, "WEBUI_ASYNC_DATA_DIR")],
)
@in_loop
async def test_a_file_that_cannot_be_put_where_the_engine_looks_is_an_error_and_removed(
    world: World, number: int, error: type[Exception], remedy: str
) -> None:
    world.put("ink")
    world.tree.refusal = OSError(number, os.strerror(number))
    with pytest.raises(error, match=rf"models/Lora/ink\.safetensors cannot be put .*{remedy}"):
        await world.use("ink")
    assert world.on_disk == set()


@in_loop
async def test_a_file_that_the_engine_does_not_let_go_leaves_the_disk_and_stands_in_nobodys_way(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(folder: str, name: str) -> None:
        raise PermissionError(13, "Permission denied")

    for name in ("a", "b", "c"):
        world.put(name)
    monkeypatch.setattr(world.tree, "remove", refuse)
    for name in ("a", "b", "c"):
        await world.use(name)
    assert "link to models/Lora/a.safetensors could not be removed" in caplog.text
    assert world.on_disk == {"b.safetensors", "c.safetensors"}


@in_loop
async def test_a_file_that_the_disk_does_not_let_go_stands_in_nobodys_way(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "b", "c"):
        world.put(name)
    for name in ("a", "b"):
        await world.use(name)
    stubborn = world.place / "Lora" / "a.safetensors"
    stubborn.unlink()
    stubborn.mkdir()  # which unlink() does not remove, not even for root
    await world.use("c")
    assert "models/Lora/a.safetensors could not be removed from the disk" in caplog.text
    assert world.seen == {"b.safetensors", "c.safetensors"}
