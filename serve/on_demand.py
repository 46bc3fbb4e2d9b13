"""Models that are not in the pack: found under models/ in the bucket, fetched for the jobs that name them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import re
import shutil
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from serve.engine import Engine
from serve.fetch import Fetcher
from serve.fetched import FetchedFiles, Slot
from serve.model_index import ModelIndex, listed_name
from webui_async.contract.errors import FetchFailed, PipelineError
from webui_async.contract.fields import Names
from webui_async.contract.settings import ServeSettings
from webui_async.model_files.folders import CHECKPOINTS, CONTROLNETS, LORAS
from webui_async.model_files.on_demand import (
    EMBEDDINGS,
    FOLDER_OF,
    VAES,
    ModelObject,
    embeddings_of,
    holds,
    with_models,
)
from webui_async.store import Store

logger = logging.getLogger(__name__)

#: Fields of a payload whose words may be embeddings.
PROMPTS = ("prompt", "negative_prompt", "hr_prompt", "hr_negative_prompt")
#: Embeddings are words of a prompt, and no word is ever missing: the listing is renewed now and then.
_EMBEDDINGS_AGE_S = 60.0
#: More at a time would only share the same network.
_FETCHES = 2
#: folder -> the webui's route that reads it again.
_REFRESH_ROUTES = {
    CHECKPOINTS: "refresh-checkpoints",
    LORAS: "refresh-loras",
    VAES: "refresh-vae",
    EMBEDDINGS: "refresh-embeddings",
}
#: The ControlNet extension reads its folder again whenever it is asked what is there.
_CONTROLNET_LIST = "/controlnet/model_list"


class Tree(Protocol):
    """The engine's model folders."""

    def build(self) -> None:
        """All good files are where the engine looks."""

    def place(self, folder: str, path: Path) -> None:
        """The engine sees the file. Raises ModelFileError when it is not whole or not for that folder."""

    def remove(self, folder: str, name: str) -> None:
        """The engine does not see the file any more."""


class OnDemand:
    """What the bucket's models/ adds to the pack. One for a container, on one event loop."""

    def __init__(self, store: Store, tree: Tree, settings: ServeSettings):
        self._tree, self._root = tree, Path(settings.fetched_dir)
        self._index, self._fetcher = ModelIndex(store), Fetcher(store, settings)
        self._files = FetchedFiles(settings.fetch_budget_bytes, self._free_bytes, self._bring, self._discard)
        # Not the loop's own threads: a fetch takes minutes, and heartbeats must not wait for it.
        self._threads = ThreadPoolExecutor(_FETCHES, thread_name_prefix="fetch")
        self._fetched: dict[str, ModelObject] = {}  #: all that ever were, by key
        self._stale: set[str] = set()  #: folders that changed since the engine has read them
        self._is_clean = False
        self.version = 0  #: another one whenever a file has come or gone

    def build(self) -> None:
        """Every good file is where the engine looks, and it is known what else there is. Blocks.

        Raises what the tree's does. Without a listing the engine starts with what is in the pack.
        """
        if not self._is_clean:
            self._remove_leftovers()
            self._is_clean = True
        self._tree.build()
        try:
            self._index.renew(self._index.now())
        except FetchFailed as error:
            logger.warning("nothing is fetched on demand until this is mended: %s", error)

    def extended(self, catalog: Mapping[str, Any]) -> dict[str, Any]:
        """The catalog with what can be fetched in its lists, marked `on_demand` where a list has entries."""
        known = (self._fetched.get(model.key, model) for model in self._index.models.values())
        return with_models(catalog, list(known))

    async def find(
        self, names: Names, catalog: Mapping[str, Any], prompts: Sequence[str] = ()
    ) -> list[ModelObject]:
        """The models in the bucket that a payload needs beside what the pack has.

        catalog: the engine's; prompts: texts whose words may be embeddings.
        Models that were fetched before are among them, so that they are kept. A name that is nowhere is left
        to check_names. Raises FetchFailed when the bucket cannot be asked.
        """
        found = {}
        for named, folder in FOLDER_OF.items():
            for _, name in getattr(names, named):
                model = await self._find_one(named, folder, name, catalog)
                if model is not None:
                    found[model.key] = model
        for model in await self._embeddings_in(prompts, catalog):
            found[model.key] = model
        return list(found.values())

    @contextlib.asynccontextmanager
    async def holding(self, models: Sequence[ModelObject]) -> AsyncIterator[None]:
        """The models are fetched, verified, where the engine looks, and stay there in this block.

        Raises FetchFailed, ModelFileError, DiskFull and ModelTooLarge.
        """
        if not models:
            yield
            return
        async with self._files.pinned(models):
            yield

    async def refresh(self, engine: Engine) -> None:
        """The engine has read the folders that changed. Call it while nothing is drawn: the webui waits.

        Raises EngineRefused and EngineReplyError.
        """
        stale, self._stale = self._stale, set()
        try:
            for folder in sorted(stale):
                if folder == CONTROLNETS:
                    await engine.list(_CONTROLNET_LIST)
                else:
                    await engine.refresh(_REFRESH_ROUTES[folder])
        except BaseException:
            self._stale |= stale
            raise

    async def _find_one(
        self, named: str, folder: str, name: str, catalog: Mapping[str, Any]
    ) -> ModelObject | None:
        model = self._known(folder, listed_name(catalog, folder, name))
        if model is not None and model.key in self._fetched:
            return model
        if holds(catalog, named, name):
            return None
        if model is None:
            await asyncio.to_thread(self._index.renew, self._index.now())  # it may have been pushed just now
            model = self._known(folder, name)
        return model

    async def _embeddings_in(self, prompts: Sequence[str], catalog: Mapping[str, Any]) -> list[ModelObject]:
        """Embeddings whose names are words of a prompt."""
        if not prompts:
            return []
        try:
            await asyncio.to_thread(self._index.renew, self._index.now() - _EMBEDDINGS_AGE_S)
        except FetchFailed as error:
            logger.warning("embeddings in the bucket are not looked for: %s", error)
        packed = embeddings_of(catalog) - {model.stem for model in self._fetched.values()}
        return [
            model
            for model in self._candidates(EMBEDDINGS)
            if model.stem not in packed and any(_has_word(prompt, model.stem) for prompt in prompts)
        ]

    def _known(self, folder: str, name: str) -> ModelObject | None:
        return next((model for model in self._candidates(folder) if model.is_called(name)), None)

    def _candidates(self, folder: str) -> Iterator[ModelObject]:
        """What is in the bucket, and what is on the disk though it is not in the bucket any more."""
        models = {model.key: model for model in self._files.models} | dict(self._index.models)
        for key, model in models.items():
            if model.folder == folder:
                fetched = self._fetched.get(key)
                yield model if fetched is None else dataclasses.replace(model, sha256=fetched.sha256)

    def _path(self, model: ModelObject) -> Path:
        return self._root / model.folder / model.file_name

    def _free_bytes(self) -> int:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            return shutil.disk_usage(self._root).free
        except OSError:
            return 0  # the fetch will say why

    async def _bring(self, slot: Slot) -> None:
        loop = asyncio.get_running_loop()
        try:
            slot.model = await loop.run_in_executor(self._threads, self._fetch, slot.model, slot.stop)
        except FetchFailed:
            self._index.forget(slot.model.key)  # it may be gone: who names it next has the bucket asked
            raise
        self._fetched[slot.model.key] = slot.model
        self._note_change(slot.model)

    def _fetch(self, model: ModelObject, stop: threading.Event) -> ModelObject:
        """The model as it is on the disk now. Blocks."""
        path, began = self._path(model), time.monotonic()
        fetched = self._fetcher.fetch(model.key, path, stop)
        try:
            self._tree.place(model.folder, path)
        except PipelineError:
            path.unlink()
            raise
        except OSError as error:
            path.unlink()
            raise FetchFailed(f"{model.key} cannot be put where the engine looks: {error}") from error
        took_s = time.monotonic() - began
        logger.info("%s was fetched: %s bytes in %.1f s", model.key, f"{fetched.size_bytes:,}", took_s)
        return dataclasses.replace(model, **dataclasses.asdict(fetched))

    async def _discard(self, slot: Slot) -> None:
        try:
            await asyncio.to_thread(self._tree.remove, slot.model.folder, slot.model.file_name)
            await asyncio.to_thread(self._path(slot.model).unlink, missing_ok=True)
        except OSError as error:
            logger.error("%s could not be removed from the disk: %s", slot.model.key, error)
        self._note_change(slot.model)

    def _note_change(self, model: ModelObject) -> None:
        self._stale.add(model.folder)
        self.version += 1

    def _remove_leftovers(self) -> None:
        """What an earlier run of this container has fetched: nobody knows whether it is whole."""
        for folder in (*FOLDER_OF.values(), EMBEDDINGS):
            shutil.rmtree(self._root / folder, ignore_errors=True)


def _has_word(prompt: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", prompt, re.IGNORECASE) is not None
