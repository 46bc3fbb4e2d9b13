"""Pictures as far as a header tells: format and size. No decoder."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

#: The formats we take and make -> their content types.
CONTENT_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
PNG_START = b"\x89PNG\r\n\x1a\n"
_DATA_URL = re.compile(r"data:image/[\w.+-]{1,40};base64,")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_SCAN = 0xDA
#: Markers that have no length, and so no place before the first scan.
_JPEG_BARE = frozenset((0x00, 0x01, *range(0xD0, 0xDA)))


@dataclass(frozen=True)
class ImageHeader:
    """What the first bytes of a picture say."""

    image_format: str  #: png, jpg or webp
    width: int
    height: int


def plain_base64(text: str) -> str:
    """A base64 picture without its `data:image/...;base64,` head and without white space."""
    head = _DATA_URL.match(text)
    return "".join(text[head.end() if head else 0 :].split())


def decode_base64(text: str) -> bytes:
    """File bytes of a base64 picture, with or without a `data:image/...;base64,` head.

    Raises ValueError when it is not base64.
    """
    try:
        return base64.b64decode(plain_base64(text), validate=True)
    except ValueError as error:
        raise ValueError("not base64") from error


def read_header(data: bytes) -> ImageHeader:
    """Format and size of a PNG, JPEG or WebP. Raises ValueError for anything else.

    A picture whose headers say two sizes is refused: a decoder would believe the other one.
    """
    try:
        if data.startswith(PNG_START):
            return _read_png(data)
        if data.startswith(b"\xff\xd8"):
            return _read_jpeg(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _read_webp(data)
    except struct.error as error:
        raise ValueError("a picture cut off in its header") from error
    raise ValueError("not a PNG, JPEG or WebP picture")


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and body of every chunk of a PNG, the last one cut off where the data is."""
    at = len(PNG_START)
    while at + 8 <= len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        yield name, data[at + 8 : at + 8 + size]
        at += size + 12


def _read_png(data: bytes) -> ImageHeader:
    found: list[bytes] = []
    for name, body in png_chunks(data):
        if name == b"IDAT":
            break
        if name == b"IHDR":
            found.append(body)
    if len(found) > 1:
        raise ValueError("a PNG with two sizes")
    width, height = struct.unpack(">II", found[0][:8] if found else b"")
    return ImageHeader("png", width, height)


def _read_jpeg(data: bytes) -> ImageHeader:
    """The size in the frame header before the first scan. Source: ITU T.81, B.1.1."""
    at, found = 2, []
    while True:
        mark, marker = struct.unpack(">BB", data[at : at + 2])
        if mark != 0xFF or marker in _JPEG_BARE:
            raise ValueError("a JPEG with a broken header")
        if marker == 0xFF:  # filling
            at += 1
            continue
        if marker == _JPEG_SCAN:
            break
        if marker in _JPEG_FRAMES:
            found.append(struct.unpack(">HH", data[at + 5 : at + 9]))
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    if len(found) != 1:
        raise ValueError("a JPEG without one size")
    height, width = found[0]
    return ImageHeader("jpg", width, height)


def _read_webp(data: bytes) -> ImageHeader:
    chunk = data[12:16]
    if chunk == b"VP8X":
        low_width, high_width, low_height, high_height = struct.unpack("<HBHB", data[24:30])
        return ImageHeader("webp", (low_width | high_width << 16) + 1, (low_height | high_height << 16) + 1)
    if chunk == b"VP8L":
        (bits,) = struct.unpack("<I", data[21:25])
        return ImageHeader("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if chunk == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return ImageHeader("webp", width & 0x3FFF, height & 0x3FFF)
    raise ValueError("a WebP with a broken header")
