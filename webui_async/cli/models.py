"""`webui-async models …`: what is to become an endpoint's model files, here and in the bucket."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from webui_async.cli.words import Commands, add_command_of_words, add_word
from webui_async.contract import manifest

if TYPE_CHECKING:
    from webui_async.store import Store

STOPPED = b"\nwebui-async: stopped. Run the same command again: a push goes on where it stopped\n"


def add_command(commands: Commands) -> None:
    """`models` and its words are among the commands."""
    text = "model packs and models on demand: check, push, add, list"
    words = add_command_of_words(commands, "models", text)
    new = add_word(words, "new", _new, "lay an empty model tree, a README in each folder")
    new.add_argument("folder", type=Path, metavar="DIR")
    check = add_word(words, "check", _check, "look at every file of a model tree; status 1 if it is refused")
    check.add_argument("root", type=Path, metavar="DIR")
    check.add_argument("--no-hashes", action="store_true", help="read headers only, which takes a moment")
    pack = add_word(words, "pack", _pack, "write the archive that `push --form tar.gz` sends to a file")
    pack.add_argument("root", type=Path, metavar="DIR")
    pack.add_argument("out", type=Path, metavar="OUT.tar.gz")
    _add_compress(pack)
    push = add_word(words, "push", _push, "put a model tree on S3; the last line is what endpoints are given")
    push.add_argument("root", type=Path, metavar="DIR")
    push.add_argument("uri", metavar="s3://BUCKET/packs/NAME")
    push.add_argument(
        "--form",
        choices=manifest.FORMS,
        default=manifest.PREFIX,
        help="plain files, which an endpoint starts fastest from, or one archive (default: %(default)s)",
    )
    _add_compress(push)
    _add_on_demand(words)


def _add_on_demand(words: Commands) -> None:
    add = add_word(words, "add", _add, "put model files where endpoints fetch them on demand")
    add.add_argument("files", type=Path, nargs="+", metavar="FILE")
    add.add_argument("--folder", help="where they belong, when their tensors do not tell")
    add.add_argument("--replace", action="store_true", help="a file of that name may be another one")
    show = add_word(words, "list", _list, "the model packs and the models on demand of a bucket")
    remove = add_word(words, "remove", _remove, "take a model on demand out of the bucket and the catalogs")
    remove.add_argument("name", metavar="NAME", help="such as ink, ink.safetensors or Lora/ink")
    for word in (add, show, remove):
        place = word.add_mutually_exclusive_group(required=True)
        place.add_argument("--bucket", metavar="s3://BUCKET")
        place.add_argument("--stack", help="CloudFormation stack whose output BucketName it is")


def _add_compress(word: argparse.ArgumentParser) -> None:
    word.add_argument(
        "--compress", action="store_true", help="deflate the archive: minutes more, and weights hardly shrink"
    )


def _new(options: argparse.Namespace) -> int:
    from webui_async.packager.layout import new_tree

    for folder in new_tree(options.folder):
        print(folder)
    return 0


def _check(options: argparse.Namespace) -> int:
    from webui_async.cli.bar import Bar
    from webui_async.packager.check import check_tree

    report = check_tree(options.root)
    if not options.no_hashes:
        with Bar() as bar:
            bar.start("hashing", sum(member.size_bytes for member in report.members))
            report = report.hashed(bar.done)
    print(report.table())
    return 0 if report.is_good else 1


def _pack(options: argparse.Namespace) -> int:
    from webui_async.cli.bar import Bar
    from webui_async.packager.archive import write_archive_file
    from webui_async.packager.check import check_tree

    report = check_tree(options.root)
    report.require_good()
    with Bar() as bar:
        bar.start("packing", sum(member.size_bytes for member in report.members))
        write_archive_file(report.members, options.out, compress=options.compress, on_bytes=bar.done)
    print(options.out)
    return 0


def _push(options: argparse.Namespace) -> int:
    from webui_async.cli.bar import Bar
    from webui_async.packager.places import PackPlace, make_s3_client
    from webui_async.packager.push import push
    from webui_async.packager.report import readable_size

    place = PackPlace.parse(options.uri)
    with ending_at_once(), closing(make_s3_client()) as s3, Bar() as bar:
        pushed = push(options.root, place, s3, form=options.form, compress=options.compress, progress=bar)
    if pushed.was_there:
        print(f"nothing to do: {place.name} {pushed.version} is there already")
    else:
        moved = pushed.moved
        print(
            f"{place.name} {pushed.version}: sent {readable_size(moved.sent_bytes)}, "
            f"copied inside S3 {readable_size(moved.copied_bytes)}, "
            f"there already {readable_size(moved.kept_bytes)}"
        )
    print(pushed.uri)
    return 0


def _add(options: argparse.Namespace) -> int:
    from webui_async.cli.bar import Bar
    from webui_async.packager.on_demand_models import add_models

    with ending_at_once(), _store(options) as store, Bar() as bar:
        added, endpoints = add_models(
            options.files, store, folder=options.folder, replace=options.replace, progress=bar
        )
    for model in added:
        about = ", ".join(filter(None, (model.member.type, model.member.family, model.member.precision)))
        print(f"{model.uri}  {about}{'  (was there already)' if model.was_there else ''}")
    print(_told_endpoints("listed by", endpoints))
    return 0


def _list(options: argparse.Namespace) -> int:
    from webui_async.packager.listing import list_models, list_packs, models_table, packs_table
    from webui_async.packager.places import check_bucket

    with _store(options) as store:
        check_bucket(store)
        packs, models = list_packs(store), list_models(store)
        print(packs_table(packs, store))
        print()
        print(models_table(models))
    return 0


def _remove(options: argparse.Namespace) -> int:
    from webui_async.packager.on_demand_models import remove_model

    with _store(options) as store:
        model, endpoints = remove_model(options.name, store)
        print(f"removed {store.uri(model.key)}")
    print(_told_endpoints("taken off the list of", endpoints))
    return 0


@contextmanager
def ending_at_once() -> Iterator[None]:
    """In this block Ctrl-C ends the process there and then.

    Its threads may wait for a dead network for minutes, and nothing is to be tidied up: S3 keeps whole parts.
    A handler alone would come too late: the kernel may interrupt any thread, but Python runs handlers in the
    main one, which waits for the others. So the signal's number goes through a socket to a thread of its own.
    """
    receiver, waker = socket.socketpair()
    waker.setblocking(False)
    watcher = threading.Thread(target=_end_when_interrupted, args=(receiver,), name="ctrl-c", daemon=True)
    with receiver:
        with waker:
            watcher.start()
            wakeup_fd = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
            handler = signal.signal(signal.SIGINT, lambda *_: None)
            try:
                yield
            finally:
                signal.signal(signal.SIGINT, handler)
                signal.set_wakeup_fd(wakeup_fd)
        watcher.join()


def _end_when_interrupted(receiver: socket.socket) -> None:
    """The process ends once SIGINT is among the numbers received; the thread, when their sender closes."""
    while numbers := receiver.recv(64):
        if signal.SIGINT in numbers:
            os.write(2, STOPPED)
            os._exit(130)


@contextmanager
def _store(options: argparse.Namespace) -> Iterator[Store]:
    """The bucket that the options name."""
    import boto3

    from webui_async.packager.places import bucket_of_stack, make_s3_client, parse_bucket
    from webui_async.store import Store

    if options.stack:
        bucket = bucket_of_stack(boto3.client("cloudformation"), options.stack)
    else:
        bucket = parse_bucket(options.bucket)
    with closing(make_s3_client()) as s3:
        yield Store(s3, bucket)


def _told_endpoints(what: str, endpoints: list[str]) -> str:
    if not endpoints:
        return f"{what} no endpoint now: an endpoint lists what it finds whenever it starts"
    return f"{what} {', '.join(endpoints)}"
