"""Pictures as far as a header tells: format, size, the generation parameters in a PNG. No decoder."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_PNG = b"\x89PNG\r\n\x1a\n"
_TEXT_LIMIT_BYTES = 1 << 20


@dataclass(frozen=True)
class ImageHeader:
    """What the first bytes of a picture say."""

    image_format: str  #: png, jpg or webp
    width: int
    height: int


def decode_base64(text: str) -> bytes:
    """File bytes of a base64 picture, with or without a `data:image/...;base64,` head.

    Raises ValueError when it is not base64.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not base64") from error


def read_header(data: bytes) -> ImageHeader:
    """Format and size of a PNG, JPEG or WebP. Raises ValueError for anything else."""
    try:
        if data.startswith(_PNG):
            return ImageHeader("png", *struct.unpack(">II", data[16:24]))
        if data.startswith(b"\xff\xd8"):
            return _read_jpeg(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _read_webp(data)
    except (struct.error, IndexError) as error:
        raise ValueError("a picture cut off in its header") from error
    raise ValueError("not a PNG, JPEG or WebP picture")


def png_parameters(data: bytes) -> str:
    """The webui's generation parameters kept in a PNG's text chunks; empty when there are none.

    Raises ValueError when `data` is no PNG. Source: the webui writes tEXt or iTXt `parameters`.
    """
    if not data.startswith(_PNG):
        raise ValueError("not a PNG picture")
    for name, body in _png_chunks(data):
        if name == b"tEXt" and body.startswith(b"parameters\0"):
            return body[11:].decode("latin-1")
        if name == b"iTXt" and body.startswith(b"parameters\0"):
            return _itxt(body[11:])
    return ""


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_PNG)
    while at + 8 <= len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        yield name, data[at + 8 : at + 8 + size]
        at += size + 12


def _itxt(body: bytes) -> str:
    is_compressed, rest = body[:1] == b"\1", body[2:]
    text = rest.split(b"\0", 2)[2]
    if is_compressed:
        text = zlib.decompressobj().decompress(text, _TEXT_LIMIT_BYTES)
    return text.decode("utf-8", "replace")


def _read_jpeg(data: bytes) -> ImageHeader:
    at = 2
    while True:
        marker, size = struct.unpack(">xBH", data[at : at + 4])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return ImageHeader("jpg", width, height)
        at += size + 2


def _read_webp(data: bytes) -> ImageHeader:
    chunk = data[12:16]
    if chunk == b"VP8X":
        return ImageHeader(
            "webp", int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
        )
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return ImageHeader("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    width, height = struct.unpack("<HH", data[26:30])
    return ImageHeader("webp", width & 0x3FFF, height & 0x3FFF)
