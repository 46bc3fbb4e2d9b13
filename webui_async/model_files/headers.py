"""The header of a safetensors file: what it holds, and whether the file is whole. No weight is read.

Source: the format's description in huggingface/safetensors: 8 bytes with the header's length, the header as
JSON, then the weights without a gap.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from webui_async.contract.errors import ModelFileError, shown

#: The format's own bound.
MAX_HEADER_BYTES = 100_000_000
METADATA = "__metadata__"

#: dtype -> bytes of one number.
ITEM_BYTES: Mapping[str, int] = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1,
    "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4,
    "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip

_FETCH_AGAIN = "fetch it again"
_WEB_PAGE = f"is a web page that was saved under a model's name: {_FETCH_AGAIN}, logged in if need be"
_PICKLE = "is a pickle under another name, which can run code: convert it to safetensors"
#: What downloads leave under a model's name instead of it: first bytes, in lower case -> what to say.
_SAVED_INSTEAD = (
    (b"<!doctype html", _WEB_PAGE),
    (b"<html", _WEB_PAGE),
    (b"version https://git-lfs", "is a Git LFS pointer and not the file itself: run git lfs pull"),
)
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02")


class Tensor(NamedTuple):
    """One tensor of a file, without its numbers. A checkpoint has thousands."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]


@dataclass(frozen=True)
class Header:
    """What a safetensors file says of itself."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    size_bytes: int  #: of the whole file


def read_header(path: Path) -> Header:
    """The header of a whole safetensors file. Raises ModelFileError with the file's name and the remedy."""
    try:
        with path.open("rb") as file:
            return _read(file, path)
    except OSError as error:
        raise ModelFileError(path.name, f"cannot be read: {error.strerror or error}") from error


def _read(file: BinaryIO, path: Path) -> Header:
    size, start = path.stat().st_size, file.read(512)
    (length,) = struct.unpack("<Q", start[:8]) if len(start) >= 8 else (0,)
    if not 2 <= length <= MAX_HEADER_BYTES or start[8:9] != b"{":
        raise ModelFileError(path.name, _no_model(start))
    if 8 + length > size:
        raise ModelFileError(path.name, _cut(size, 8 + length, "its header alone has"))
    file.seek(8)
    try:
        document = json.loads(file.read(length))
        metadata = {str(name): str(value) for name, value in document.pop(METADATA, {}).items()}
        tensors = {name: Tensor(entry["dtype"], tuple(entry["shape"])) for name, entry in document.items()}
        spans = {name: tuple(entry["data_offsets"]) for name, entry in document.items()}
        _check_entries(tensors, spans)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFileError(
            path.name, f"is no safetensors file: its header cannot be read ({_told(error)}); {_FETCH_AGAIN}"
        ) from error
    if fault := _misplaced(tensors, spans):
        raise ModelFileError(path.name, f"is damaged: {fault}; {_FETCH_AGAIN}")
    promised = 8 + length + max(map(itemgetter(1), spans.values()), default=0)
    if size < promised:
        raise ModelFileError(path.name, _cut(size, promised, "its header promises"))
    if size > promised:
        appended = f"is {size:,} bytes where its header promises {promised:,}: more was appended"
        raise ModelFileError(path.name, f"{appended}; {_FETCH_AGAIN}")
    return Header(tensors, metadata, size)


def _cut(size: int, expected: int, why: str) -> str:
    return f"is {size:,} bytes where {why} {expected:,}: the download was cut; {_FETCH_AGAIN}"


def saved_instead(start: bytes) -> str | None:
    """What a download left instead of a model, by the file's first bytes; None when it may be one."""
    if not start:
        return f"is empty: {_FETCH_AGAIN}"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((fault for sign, fault in _SAVED_INSTEAD if text.startswith(sign)), None)


def _no_model(start: bytes) -> str:
    """What a file is that begins like this and not as safetensors do."""
    if start.startswith(_PICKLE_STARTS):
        return _PICKLE
    return saved_instead(start) or f"is no safetensors file: it has no header; {_FETCH_AGAIN}, or convert it"


def _check_entries(tensors: Mapping[str, Tensor], spans: Mapping[str, tuple[int, ...]]) -> None:
    """Raises ValueError with the first value that no tensor has. All at once first, which is faster."""
    lengths = [*chain.from_iterable({tensor.shape for tensor in tensors.values()})]
    ends = [*chain.from_iterable(spans.values())]
    if not (_are_lengths(lengths) and _are_lengths(ends) and set(map(len, spans.values())) <= {2}):
        for name, span in spans.items():
            if not _are_lengths(tensors[name].shape):
                raise ValueError(f"shape is {shown(list(tensors[name].shape))}")
            if not _are_lengths(span) or len(span) != 2:
                raise ValueError(f"data_offsets are {shown(list(span))}")
    if unknown := {tensor.dtype for tensor in tensors.values()} - ITEM_BYTES.keys():
        raise ValueError(f"dtype is {shown(unknown.pop())}")


def _are_lengths(numbers: Sequence[Any]) -> bool:
    """Whether each is a whole number, 0 or more; true and false are none."""
    return set(map(type, numbers)) <= {int} and min(numbers, default=0) >= 0


def _misplaced(tensors: Mapping[str, Tensor], spans: Mapping[str, tuple[int, int]]) -> str | None:
    """The first tensor that is not where the one before it ends, or not as long as its shape says."""
    at = 0
    for (begin, end), name in sorted(zip(spans.values(), spans, strict=True)):
        if begin != at:
            return f"tensor {shown(name)} begins at byte {begin:,} of the weights instead of {at:,}"
        if end - begin != tensors[name].size_bytes:
            return f"tensor {shown(name)} has {end - begin:,} bytes instead of {tensors[name].size_bytes:,}"
        at = end
    return None


def _told(error: Exception) -> str:
    """One line about what JSON or an entry of it got wrong."""
    missing = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return f"{type(error).__name__}: {missing[:120]}"
