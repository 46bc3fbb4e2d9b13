"""catalog/{endpoint}.json: what the engine lists, what can be fetched as well, what is known of the files."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from webui_async.contract import keys
from webui_async.contract.catalog import Facts, weight_names, with_facts
from webui_async.model_files.on_demand import LIST_OF, ModelObject, with_models, without_name
from webui_async.store import Store

#: More often, and the next catalog has what this one lacks.
_TRIES = 3


class Offers(Protocol):
    """What is under models/ in the bucket."""

    async def offered(self) -> list[ModelObject]:
        """Every model that is there now."""


class Files(Protocol):
    """The files that the engine sees."""

    def facts_of(self, folder: str, name: str) -> Facts | None:
        """What is known of one of them."""


class Publisher:
    """Writes the catalog. The packager changes it too, whenever a model is added or removed."""

    def __init__(self, store: Store, endpoint: str, offers: Offers, files: Files):
        self._store, self._key = store, keys.catalog(endpoint)
        self._offers, self._files = offers, files
        self._line = asyncio.Lock()

    async def publish(self, catalog: Mapping[str, Any]) -> None:
        """The engine's catalog is in the bucket. Catalogs come in the order in which this was called.

        Raises StoreError.
        """
        async with self._line:
            offered = await self._offers.offered()
            for _ in range(_TRIES):
                await asyncio.to_thread(self._write, catalog, offered)
                # Who has added a model meanwhile put it into the catalog that was overwritten just now.
                before, offered = offered, await self._offers.offered()
                if offered == before:
                    return

    def _write(self, catalog: Mapping[str, Any], offered: Sequence[ModelObject]) -> None:
        self._store.put_json(self._key, described(catalog, offered, self._files))


def described(catalog: Mapping[str, Any], offered: Sequence[ModelObject], files: Files) -> dict[str, Any]:
    """The engine's catalog with what is offered, and with what is known of every file.

    What the engine lists because it was fetched is one on demand as before, and gone when it is not offered
    any more.
    """
    fetchable = {(model.folder, model.listed_as): model for model in offered}
    listed = [(folder, name) for folder, route in LIST_OF.items() for name in weight_names(catalog, route)]
    facts = {place: _facts_of(files.facts_of(*place), fetchable.get(place)) for place in listed}
    held = with_facts(catalog, {(LIST_OF[folder], name): fact for (folder, name), fact in facts.items()})
    for folder, name in listed:
        if facts[folder, name].on_demand and (folder, name) not in fetchable:
            held = without_name(held, folder, name)
    return with_models(held, offered)


def _facts_of(known: Facts | None, model: ModelObject | None) -> Facts:
    """known: of the file, if the engine sees one; model: the bucket's of that name, if it has one."""
    if model is None or (known is not None and not known.on_demand):
        return known or Facts()
    # What the file itself tells is certain; its hash is known to who has put it into the bucket.
    return replace(model.facts, family=(known and known.family) or model.facts.family)
