"""One upload, timed, in a process of its own: prints its seconds and its peak of memory as JSON.

python -m benchmarks.push_once boto3|files|archive TREE
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import boto3

from webui_async.packager.archive import archive_size, write_archive
from webui_async.packager.check import check_tree
from webui_async.packager.hashes import hash_members
from webui_async.packager.multipart import Uploader
from webui_async.packager.places import make_s3_client
from webui_async.packager.plain_files import send_file
from webui_async.packager.progress import Progress
from webui_async.store import Store

BUCKET = "sink"


def boto3_files(root: Path) -> Callable[[], None]:
    """boto3's own upload_file, as it comes."""
    s3, members = boto3.client("s3"), check_tree(root).members

    def upload() -> None:
        for member in members:
            s3.upload_file(str(member.source), BUCKET, member.path)

    return upload


def our_files(root: Path) -> Callable[[], None]:
    """The files of a push, each compared with its sha256 on the way."""
    store, members = Store(make_s3_client(), BUCKET), hash_members(check_tree(root).members)

    def upload() -> None:
        largest = max(member.size_bytes for member in members)
        with Uploader(store, largest, Progress()) as uploader:
            for member in members:
                send_file(uploader, member.path, member, {"sha256": member.sha256 or ""})

    return upload


def our_archive(root: Path) -> Callable[[], None]:
    """The archive of a push, made while it is sent."""
    store, members = Store(make_s3_client(), BUCKET), hash_members(check_tree(root).members)

    def upload() -> None:
        with (
            Uploader(store, archive_size(members), Progress()) as uploader,
            uploader.writing("model.tar.gz", {}) as sink,
        ):
            write_archive(members, sink)

    return upload


UPLOADS = {"boto3": boto3_files, "files": our_files, "archive": our_archive}


def main(name: str, root: str) -> None:
    upload = UPLOADS[name](Path(root))
    start = time.perf_counter()
    upload()
    seconds = time.perf_counter() - start
    peak_kb = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(json.dumps({"seconds": seconds, "peak_mb": int(peak_kb) * 1024 / 1e6}))


if __name__ == "__main__":
    main(*sys.argv[1:])
