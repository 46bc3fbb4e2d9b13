"""What S3 holds of one pack already: versions, finished or not, and parts of uploads that broke off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from webui_async.contract import manifest
from webui_async.contract.errors import StoreError
from webui_async.packager.places import PackPlace
from webui_async.packager.s3_errors import told
from webui_async.packager.s3_object import ALGORITHM, SHA256
from webui_async.store import Entry, Store

#: Files of one size, LoRAs of one rank, say: more are not worth asking about.
_MOST_CANDIDATES = 3


@dataclass(frozen=True)
class Source:
    """An object with the very bytes that are looked for."""

    key: str
    size_bytes: int
    etag: str


class Shelf:
    """The objects under `packs/NAME/`, as they were when it was made. Raises StoreError."""

    def __init__(self, store: Store, place: PackPlace):
        self._store, self._prefix = store, place.prefix
        with told(store.uri(place.prefix)):
            self._entries: Mapping[str, Entry] = {entry.key: entry for entry in store.list(place.prefix)}

    def has_version(self, prefix: str) -> bool:
        """Whether the version is whole."""
        return prefix + manifest.NAME in self._entries

    def size_of(self, key: str) -> int | None:
        """How large the object at `key` is; None when there is none."""
        entry = self._entries.get(key)
        return entry.size if entry else None

    def find(self, key: str, size_bytes: int, sha256: str) -> Source | None:
        """An object with these bytes: the one at `key` if it can be, or one of any other version."""
        for entry in self._candidates(key, size_bytes):
            with told(self._store.uri(entry.key)):
                head = self._store.head(entry.key)
            if head is not None and (head.size, head.metadata.get(SHA256)) == (size_bytes, sha256):
                return Source(entry.key, head.size, head.etag)
        return None

    def _candidates(self, key: str, size_bytes: int) -> list[Entry]:
        """Objects of that size: the one at the key, then those of that name, newest first, then others."""
        name = self._name_in_version(key)

        def rank(entry: Entry) -> tuple[bool, bool, float]:
            return entry.key != key, self._name_in_version(entry.key) != name, -entry.modified

        same_size = (entry for entry in self._entries.values() if entry.size == size_bytes)
        return sorted(same_size, key=rank)[:_MOST_CANDIDATES]

    def _name_in_version(self, key: str) -> str:
        return key.removeprefix(self._prefix).partition("/")[2]


def unfinished_uploads(store: Store, prefix: str) -> dict[str, str]:
    """key -> id of the newest upload to it that broke off and that can be gone on with. Raises StoreError."""
    with told(store.uri(prefix)):
        pages = store.s3.get_paginator("list_multipart_uploads").paginate(Bucket=store.bucket, Prefix=prefix)
        found = [upload for page in pages for upload in page.get("Uploads", ())]
    found.sort(key=lambda upload: upload["Initiated"])
    ours = [upload for upload in found if upload.get("ChecksumAlgorithm") == ALGORITHM]
    return {upload["Key"]: upload["UploadId"] for upload in ours}


def check_whole(store: Store, prefix: str, sizes: Mapping[str, int]) -> None:
    """Nothing when exactly these objects lie under `prefix`, beside a manifest.

    sizes: key -> bytes. An endpoint would be given everything that lies there. Raises StoreError.
    """
    with told(store.uri(prefix)):
        held = {entry.key: entry.size for entry in store.list(prefix)}
    held.pop(prefix + manifest.NAME, None)
    for fault in _differences(sizes, held):
        raise StoreError(f"{store.uri(prefix)} is not as it was sent: {fault}; nothing was published")


def _differences(sizes: Mapping[str, int], held: Mapping[str, int]) -> Iterator[str]:
    for key, size in sizes.items():
        if key not in held:
            yield f"{key} is not there any more. Run the same command again"
        elif held[key] != size:
            yield f"{key} has {held[key]:,} bytes and not {size:,}. Delete it and run the same command again"
    for key in held.keys() - sizes.keys():
        yield f"{key} is no file of this pack. Delete it and run the same command again"
