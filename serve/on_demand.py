"""Models that are not in the pack: found under models/ in the bucket, fetched for the jobs that name them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from serve.engine import Engine
from serve.fetched import FetchedFiles, Slot
from serve.fetched_dir import FetchedDir, Tree
from serve.model_index import ModelIndex, listed_name
from serve.tasks import Check
from webui_async.contract.errors import FetchFailed
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
FETCHES = 2
#: folder -> the webui's route that reads it again.
_REFRESH_ROUTES = {
    CHECKPOINTS: "refresh-checkpoints",
    LORAS: "refresh-loras",
    VAES: "refresh-vae",
    EMBEDDINGS: "refresh-embeddings",
}
#: The ControlNet extension reads its folder again whenever it is asked what is there.
_CONTROLNET_LIST = "/controlnet/model_list"


class OnDemand:
    """What the bucket's models/ adds to the pack. One for a container, on one event loop."""

    def __init__(self, store: Store, tree: Tree, settings: ServeSettings):
        self._tree, self._index = tree, ModelIndex(store)
        self._dir = FetchedDir(store, tree, settings)
        self._files = FetchedFiles(
            settings.fetch_budget_bytes, self._dir.free_bytes, self._bring, self._discard
        )
        # Not the loop's own threads: a fetch takes minutes, and heartbeats must not wait for it.
        self._threads = ThreadPoolExecutor(FETCHES, thread_name_prefix="fetch")
        self._fetched: dict[str, ModelObject] = {}  #: all that ever were, by key
        self._stale: set[str] = set()  #: folders that changed since the engine has read them
        self._is_clean = False
        self.version = 0  #: another one whenever a file has come or gone

    def build(self) -> None:
        """Every good file is where the engine looks, and it is known what else there is. Blocks.

        Raises what the tree's does. Without a listing the engine starts with what is in the pack.
        """
        if not self._is_clean:
            self._dir.remove_leftovers()
            self._is_clean = True
        self._tree.build()
        self._renew()

    def extended(self, catalog: Mapping[str, Any]) -> dict[str, Any]:
        """The catalog with what can be fetched in its lists."""
        return with_models(catalog, [self._as_fetched(model) for model in self._index.models.values()])

    async def offered(self) -> list[ModelObject]:
        """What is in the bucket now, or was when it could be asked last, and what each object says of it."""
        await asyncio.to_thread(self._renew)
        return [self._as_fetched(model) for model in await asyncio.to_thread(self._index.look_up)]

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
    async def holding(
        self, models: Sequence[ModelObject], check: Check, check_s: float
    ) -> AsyncIterator[None]:
        """The models are fetched, verified, where the engine looks, and stay there in this block.

        check: called every check_s while they are fetched; what it raises ends the wait, and the fetch too
        when nobody else waits for it.
        Raises FetchFailed, ModelFileError, DiskFull and ModelTooLarge.
        """
        if not models:
            yield
            return
        async with self._files.pinned(models, check, check_s):
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
        if not self._index.is_newer_than(_EMBEDDINGS_AGE_S):
            await asyncio.to_thread(self._renew, _EMBEDDINGS_AGE_S)
        packed = embeddings_of(catalog) - {model.stem for model in self._fetched.values()}
        return [
            model
            for model in self._candidates(EMBEDDINGS)
            if model.stem not in packed and any(_has_word(prompt, model.stem) for prompt in prompts)
        ]

    def _renew(self, age_s: float = 0.0) -> None:
        """The listing is no older than that, if the bucket can be asked. Blocks."""
        try:
            self._index.renew(self._index.now() - age_s)
        except FetchFailed as error:
            logger.warning("nothing new is fetched on demand until this is mended: %s", error)

    def _known(self, folder: str, name: str) -> ModelObject | None:
        return next((model for model in self._candidates(folder) if model.is_called(name)), None)

    def _candidates(self, folder: str) -> Iterator[ModelObject]:
        """What is in the bucket, and what is on the disk though it is not in the bucket any more."""
        models = {model.key: model for model in self._files.models} | dict(self._index.models)
        for model in models.values():
            if model.folder == folder:
                yield self._as_fetched(model)

    def _as_fetched(self, model: ModelObject) -> ModelObject:
        """The model with its SHA-256, when it was here before."""
        fetched = self._fetched.get(model.key)
        return dataclasses.replace(model, sha256=fetched.sha256) if fetched else model

    async def _bring(self, slot: Slot) -> None:
        loop = asyncio.get_running_loop()
        try:
            slot.model = await loop.run_in_executor(self._threads, self._dir.fetch, slot.model, slot.stop)
        except FetchFailed:
            self._index.forget(slot.model.key)  # it may be gone: who names it next has the bucket asked
            raise
        self._fetched[slot.model.key] = slot.model
        self._note_change(slot.model)

    async def _discard(self, slot: Slot) -> None:
        await asyncio.to_thread(self._dir.discard, slot.model)
        self._note_change(slot.model)

    def _note_change(self, model: ModelObject) -> None:
        self._stale.add(model.folder)
        self.version += 1


def _has_word(prompt: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", prompt, re.IGNORECASE) is not None
