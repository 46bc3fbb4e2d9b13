"""What lies under models/ in the bucket, listed again when it may have changed."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from webui_async.contract import keys
from webui_async.contract.catalog import CONTROLNET_ROUTE, Facts
from webui_async.contract.errors import FetchFailed, StoreError
from webui_async.model_files.folders import CONTROLNETS, LORAS
from webui_async.model_files.on_demand import ModelObject, facts_in, model_at
from webui_async.store import Store

logger = logging.getLogger(__name__)

_LOOK_UPS_AT_A_TIME = 8


class ModelIndex:
    """The listing of models/, kept until it is asked for again. `renew` blocks."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic):
        self._store, self.now = store, clock
        self._lock = threading.Lock()
        self._listed_at = float("-inf")
        self.models: Mapping[str, ModelObject] = {}  #: by key
        self._facts: dict[ModelObject, Facts] = {}

    def is_newer_than(self, age_s: float) -> bool:
        """Whether the bucket was asked within the last `age_s`."""
        return self._listed_at >= self.now() - age_s

    def renew(self, since: float) -> None:
        """The listing was begun then or later, by `now()`. Raises FetchFailed.

        Of many who call at once, each for what is there now, two have the bucket asked.
        """
        with self._lock:
            if self._listed_at >= since:
                return
            began = self.now()
            try:
                entries = list(self._store.list(keys.MODELS))
            except StoreError as error:
                raise FetchFailed(f"{self._store.uri(keys.MODELS)} cannot be listed: {error}") from error
            found = (model_at(entry.key, entry.size, entry.modified) for entry in entries)
            self.models = {model.key: model for model in found if model}
            self._listed_at = began

    def look_up(self) -> list[ModelObject]:
        """Every model of the listing, with what its object says of it; each object is asked once."""
        models = list(self.models.values())
        unknown = [model for model in models if model not in self._facts]
        with ThreadPoolExecutor(_LOOK_UPS_AT_A_TIME, thread_name_prefix="look-up") as pool:
            found = dict(zip(unknown, pool.map(self._ask, unknown), strict=True))
        known = self._facts | {model: facts for model, facts in found.items() if facts}
        self._facts = {model: known[model] for model in models if model in known}
        return [dataclasses.replace(model, facts=known.get(model, model.facts)) for model in models]

    def _ask(self, model: ModelObject) -> Facts | None:
        """None when nobody tells: it is asked again for the next catalog."""
        try:
            head = self._store.head(model.key)
        except StoreError as error:
            logger.warning("what %s is cannot be told: %s", model.key, error)
            return None
        return facts_in(model.folder, head.metadata) if head else None

    def forget(self, key: str) -> None:
        """The listing is without this key until it is asked for again."""
        self.models = {known: model for known, model in self.models.items() if known != key}


def listed_name(catalog: Mapping[str, Any], folder: str, name: str) -> str:
    """The file's own name where an engine lists it by another one that only it knows; else `name` itself."""
    if folder == LORAS:
        loras = catalog.get("loras") or ()
        return next((str(lora["name"]) for lora in loras if lora.get("alias") == name), name)
    if folder == CONTROLNETS and name in (catalog.get(CONTROLNET_ROUTE) or ()):
        return name.partition(" [")[0]
    return name
