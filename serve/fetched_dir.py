"""The folder of fetched files: a model comes into it and before the engine's eyes, and goes from both."""

from __future__ import annotations

import dataclasses
import errno
import logging
import shutil
import threading
import time
from pathlib import Path
from typing import Protocol

from serve.fetch import Fetcher
from webui_async.contract.errors import DiskFull, FetchFailed
from webui_async.contract.settings import PREFIX, ServeSettings
from webui_async.model_files.on_demand import EMBEDDINGS, FOLDER_OF, ModelObject
from webui_async.store import Store

logger = logging.getLogger(__name__)


class Tree(Protocol):
    """The engine's model folders."""

    def build(self) -> None:
        """All good files are where the engine looks."""

    def place(self, folder: str, path: Path) -> None:
        """The engine sees the file.

        Raises ModelFileError when it is not whole or not for that folder, OSError when it cannot be linked.
        """

    def remove(self, folder: str, name: str) -> None:
        """The engine does not see the file any more. Raises OSError when its link stays."""


class FetchedDir:
    """Files by their models. All methods block, and may be called in several threads at once."""

    def __init__(self, store: Store, tree: Tree, settings: ServeSettings):
        self._root, self._tree = Path(settings.fetched_dir), tree
        self._fetcher = Fetcher(store, settings)

    def fetch(self, model: ModelObject, stop: threading.Event) -> ModelObject:
        """The model as it is on the disk now, whole and where the engine looks.

        stop: set when nobody waits any more.
        Raises FetchFailed, DiskFull and ModelFileError; then no file of it is left.
        """
        path, began = self._path(model), time.monotonic()
        fetched = self._fetcher.fetch(model.key, path, stop)
        try:
            self._tree.place(model.folder, path)
        except OSError as error:
            self._unlink(model)
            raise _not_placed(model, error) from error
        except BaseException:
            self._unlink(model)
            raise
        took_s = time.monotonic() - began
        logger.info("%s was fetched: %s bytes in %.1f s", model.key, f"{fetched.size_bytes:,}", took_s)
        return dataclasses.replace(model, **dataclasses.asdict(fetched))

    def discard(self, model: ModelObject) -> None:
        """Neither the engine nor the disk has it any more. Never raises: what stays is logged."""
        try:
            self._tree.remove(model.folder, model.file_name)
        except OSError as error:
            logger.error("the engine's link to %s could not be removed: %s", model.key, error)
        self._unlink(model)

    def remove_leftovers(self) -> None:
        """What an earlier run of this container has fetched: nobody knows whether it is whole."""
        for folder in (*FOLDER_OF.values(), EMBEDDINGS):
            shutil.rmtree(self._root / folder, ignore_errors=True)

    def free_bytes(self) -> int:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            return shutil.disk_usage(self._root).free
        except OSError:
            return 0  # the fetch will say why

    def _path(self, model: ModelObject) -> Path:
        return self._root / model.folder / model.file_name

    def _unlink(self, model: ModelObject) -> None:
        try:
            self._path(model).unlink(missing_ok=True)
        except OSError as error:
            logger.error("%s could not be removed from the disk: %s", model.key, error)


def _not_placed(model: ModelObject, error: OSError) -> FetchFailed | DiskFull:
    told = f"{model.key} cannot be put where the engine looks: {error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"{told}. Make room there, or set {PREFIX}DATA_DIR to a place on a larger disk")
    return FetchFailed(told)
