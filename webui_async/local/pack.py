"""The model tree of this machine as a model pack, `model.tar.gz`, in the local bucket."""

from __future__ import annotations

import io
import json
import struct
import tarfile
from collections.abc import Iterator
from pathlib import Path

from webui_async.contract import keys
from webui_async.local.errors import StackError
from webui_async.store import Store

PACK = f"{keys.pack('local', '1')}model.tar.gz"
CHECKPOINTS = "Stable-diffusion"
_HEADER_LIMIT_BYTES = 100_000_000


def check_tree(root: Path) -> None:
    """Nothing when the tree has a checkpoint and every .safetensors in it is whole.

    Raises StackError that names the file and says what to do.
    """
    if not (root / CHECKPOINTS).is_dir():
        raise StackError(
            f"{root}/{CHECKPOINTS} is no folder: give a model tree with --models, as model_layout/ is one"
        )
    if not any((root / CHECKPOINTS).glob("*.safetensors")):
        raise StackError(f"{root}/{CHECKPOINTS} holds no .safetensors file: put a checkpoint there")
    for path in sorted(root.rglob("*.safetensors")):
        if fault := find_fault(path):
            raise StackError(f"{path} is not a whole safetensors file ({fault}): fetch or copy it again")


def find_fault(path: Path) -> str | None:
    """What is wrong with a safetensors file, as far as its header and length tell; None when nothing is."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        header_bytes = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if not 2 <= header_bytes <= min(size - 8, _HEADER_LIMIT_BYTES):
            return "it has no header"
        try:
            header = json.loads(file.read(header_bytes))
            end = max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
        except (ValueError, LookupError, TypeError, AttributeError):
            return "its header cannot be read"
    needed = 8 + header_bytes + end
    return None if size == needed else f"{size} bytes of {needed}"


def push_tree(root: Path, store: Store) -> str:
    """The s3:// uri of the pack that holds the tree's files now."""
    store.put_bytes(PACK, _archive(root), "application/gzip")
    return store.uri(PACK)


def _archive(root: Path) -> bytes:
    buffer = io.BytesIO()
    # Weights do not compress: stored blocks make a valid tar.gz in a fraction of the time.
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=0) as archive:
        for path in _files(root):
            archive.add(path, str(path.relative_to(root)))
    return buffer.getvalue()


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix != ".md" and not path.name.startswith("."):
            yield path
