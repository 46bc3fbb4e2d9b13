"""A model tree to S3: checked, only what is not there yet is sent, nothing is visible before all of it is.

A version's place is the address of its content, so what an endpoint was made from never changes under it. Its
manifest.json comes last, and who finds none finds no pack.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from webui_async.contract import manifest
from webui_async.contract.errors import InvalidPayload
from webui_async.contract.manifest import Manifest
from webui_async.packager.archive import archive_size, write_archive
from webui_async.packager.check import check_tree
from webui_async.packager.hashes import hash_members
from webui_async.packager.members import Member, manifest_of
from webui_async.packager.multipart import Uploader
from webui_async.packager.places import ARCHIVE_NAME, PackPlace, check_bucket
from webui_async.packager.plain_files import Moved, push_files
from webui_async.packager.progress import Progress
from webui_async.packager.s3_errors import told
from webui_async.packager.shelf import Shelf, check_whole, unfinished_uploads
from webui_async.store import Store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Pushed:
    """A pack that is on S3, whole."""

    uri: str  #: ModelDataUrl of an archive; S3Uri of a prefix
    version: str
    was_there: bool  #: the same pack was pushed before
    moved: Moved  #: nothing, when it was there


def push(
    root: Path,
    place: PackPlace,
    s3: S3Client,
    *,
    form: str = manifest.PREFIX,
    compress: bool = False,
    progress: Progress | None = None,
    now: Callable[[], float] = time.time,
) -> Pushed:
    """The tree at `root` as a version of the pack.

    form: `prefix`, every file an object, or `tar.gz`; compress: the archive is deflated.
    Raises PackRefused, FileChanged, ModelFileError and StoreError; nothing is published then, and what was
    sent is not sent again by the next push. InvalidPayload when plain files are to be compressed.
    """
    if compress and form != manifest.ARCHIVE:
        raise InvalidPayload("compress", compress, "plain files stay as they are: say --form tar.gz with it")
    progress = progress or Progress()
    report = check_tree(root)
    report.require_good()
    store = Store(s3, place.bucket)
    check_bucket(store)
    progress.start("hashing", sum(member.size_bytes for member in report.members))
    members = hash_members(report.members, progress.done)
    pack = manifest_of(members, form, now())
    prefix = place.version_prefix(pack)
    shelf = Shelf(store, place)
    uri = store.uri(prefix + ARCHIVE_NAME if form == manifest.ARCHIVE else prefix)
    if shelf.has_version(prefix):
        return Pushed(uri, pack.version, was_there=True, moved=Moved())
    if form == manifest.ARCHIVE:
        moved = _push_archive(store, prefix, members, shelf, compress, progress)
    else:
        moved = push_files(store, prefix, members, shelf, progress)
    _publish(store, prefix, pack)
    return Pushed(uri, pack.version, was_there=False, moved=moved)


def _push_archive(
    store: Store, prefix: str, members: Sequence[Member], shelf: Shelf, compress: bool, progress: Progress
) -> Moved:
    """The archive, made while it is sent. It is the same each time, so no part needs to be sent twice."""
    size, key = archive_size(members), prefix + ARCHIVE_NAME
    if shelf.size_of(key) == size:
        return Moved(kept_bytes=size)  # whole: only its manifest did not arrive
    progress.start("sending", size)
    with (
        Uploader(store, size, progress, unfinished_uploads(store, key)) as uploader,
        uploader.writing(key, {}) as sink,
    ):
        write_archive(members, sink, compress=compress)
    check_whole(store, prefix, {key: sink.size_bytes})
    return Moved(sent_bytes=uploader.sent_bytes, kept_bytes=sink.size_bytes - uploader.sent_bytes)


def _publish(store: Store, prefix: str, pack: Manifest) -> None:
    key = prefix + manifest.NAME
    with told(store.uri(key)):
        store.put_bytes(key, pack.to_bytes(), "application/json", if_absent=True)
