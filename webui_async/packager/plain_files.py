"""The files of a pack as objects under one prefix: kept, copied inside S3, or sent."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from webui_async.contract.errors import FileChanged
from webui_async.packager.copying import copy
from webui_async.packager.members import Member, open_unchanged, reading
from webui_async.packager.multipart import Uploader
from webui_async.packager.progress import Progress
from webui_async.packager.s3_object import SHA256
from webui_async.packager.shelf import Shelf, Source, check_whole, unfinished_uploads
from webui_async.store import Store

_LOOK_UPS_AT_A_TIME = 8
_COPIES_AT_A_TIME = 4
#: One is completed while the next one is read; their parts go side by side anyway.
_FILES_AT_A_TIME = 2


@dataclass(frozen=True)
class Moved:
    """What a push had to move."""

    sent_bytes: int = 0  #: from this machine
    copied_bytes: int = 0  #: inside S3, from another version
    kept_bytes: int = 0  #: sent by an earlier run of the same push


@dataclass(frozen=True)
class _Plan:
    """What is to be done with each member."""

    keep: list[Member]
    copy: list[tuple[Member, Source]]
    send: list[Member]


def push_files(
    store: Store, prefix: str, members: Sequence[Member], shelf: Shelf, progress: Progress
) -> Moved:
    """Every member is an object under `prefix`.

    Raises FileChanged, ModelFileError and StoreError; what was sent until then stays for the next run.
    """
    plan = _plan(shelf, prefix, members)
    copied = [member for member, _ in plan.copy]
    progress.start("sending", _size(plan.send))
    with ThreadPoolExecutor(_COPIES_AT_A_TIME, thread_name_prefix="copy") as pool:
        list(pool.map(lambda pair: copy(store, pair[1], prefix + pair[0].path, _sha256(pair[0])), plan.copy))
    largest = max((member.size_bytes for member in plan.send), default=0)
    with Uploader(store, largest, progress, unfinished_uploads(store, prefix)) as uploader:
        _send_all(uploader, prefix, plan.send)
    check_whole(store, prefix, {prefix + member.path: member.size_bytes for member in members})
    kept_bytes = _size(plan.keep) + _size(plan.send) - uploader.sent_bytes
    return Moved(uploader.sent_bytes, _size(copied), kept_bytes)


def _plan(shelf: Shelf, prefix: str, members: Sequence[Member]) -> _Plan:
    with ThreadPoolExecutor(_LOOK_UPS_AT_A_TIME, thread_name_prefix="look-up") as pool:
        sources = list(
            pool.map(
                lambda member: shelf.find(prefix + member.path, member.size_bytes, _sha256(member)), members
            )
        )
    plan = _Plan([], [], [])
    for member, source in zip(members, sources, strict=True):
        if source is None:
            plan.send.append(member)
        elif source.key == prefix + member.path:
            plan.keep.append(member)
        else:
            plan.copy.append((member, source))
    return plan


def _sha256(member: Member) -> str:
    assert member.sha256 is not None, f"{member.path} is not hashed yet"
    return member.sha256


def _size(members: Sequence[Member]) -> int:
    return sum(member.size_bytes for member in members)


def _send_all(uploader: Uploader, prefix: str, members: Sequence[Member]) -> None:
    largest_first = sorted(members, key=lambda member: -member.size_bytes)
    with ThreadPoolExecutor(_FILES_AT_A_TIME, thread_name_prefix="file") as files:
        sends = [files.submit(_send, uploader, prefix + member.path, member) for member in largest_first]
        try:
            for send in as_completed(sends):
                send.result()
        except BaseException:
            uploader.stop()
            for send in sends:
                send.cancel()
            raise


def _send(uploader: Uploader, key: str, member: Member) -> None:
    send_file(uploader, key, member, {SHA256: _sha256(member)})


def send_file(
    uploader: Uploader, key: str, member: Member, metadata: dict[str, str], is_new: bool = False
) -> None:
    """The member's file is the object at `key`.

    Raises FileChanged when it is not what was hashed any more, ModelFileError, StoreError; NameTaken when
    `is_new` and something else is there.
    """
    digest = hashlib.sha256()
    with (
        uploader.writing(key, metadata, is_new) as sink,
        open_unchanged(member) as file,
        reading(member),
    ):
        sink.read_from(file, digest)
        if digest.hexdigest() != member.sha256:
            raise FileChanged(member.path, "holds something else than when it was hashed")
