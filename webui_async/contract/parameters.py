"""The generation parameters that the webui keeps in its pictures: a text chunk of a PNG, Exif of the others.

Source: the webui's images.py, save_image_with_geninfo and read_info_from_image.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from webui_async.contract.images import png_chunks, read_header

_TEXT_LIMIT_BYTES = 1 << 20
_KEYWORD = b"parameters\0"
_EXIF = b"Exif\0\0"
#: Exif tags: where the Exif directory is, and the comment in it.
_EXIF_IFD, _USER_COMMENT = 0x8769, 0x9286
#: The character code at the start of a comment -> its encoding. `UNICODE` follows the TIFF's byte order.
_ASCII_CODE, _UNICODE_CODE = b"ASCII\0\0\0", b"UNICODE\0"


def generation_parameters(data: bytes) -> str:
    """The infotext kept in a PNG, JPEG or WebP; empty when there is none. Raises ValueError for others."""
    image_format = read_header(data).image_format
    if image_format == "png":
        return _png_text(data)
    exif = _jpeg_exif(data) if image_format == "jpg" else _webp_exif(data)
    try:
        return _user_comment(exif)
    except struct.error:
        return ""


def _png_text(data: bytes) -> str:
    for name, body in png_chunks(data):
        if name == b"tEXt" and body.startswith(_KEYWORD):
            return body[len(_KEYWORD) :].decode("latin-1")
        if name == b"iTXt" and body.startswith(_KEYWORD):
            return _itxt(body[len(_KEYWORD) :])
    return ""


def _itxt(body: bytes) -> str:
    """Text of an iTXt chunk after its keyword: two flags, language, translated keyword, text."""
    is_compressed, fields = body[:1] == b"\1", body[2:].split(b"\0", 2)
    if len(fields) < 3:
        return ""
    text = fields[2]
    if is_compressed:
        try:
            text = zlib.decompressobj().decompress(text, _TEXT_LIMIT_BYTES)
        except zlib.error:
            return ""
    return text.decode("utf-8", "replace")


def _jpeg_exif(data: bytes) -> bytes:
    """The TIFF in the APP1 segment; read_header() has walked the segments before, so they are whole."""
    at = 2
    while data[at + 1] != 0xDA:
        if data[at + 1] == 0xFF:
            at += 1
            continue
        size = struct.unpack(">H", data[at + 2 : at + 4])[0]
        if data[at + 1] == 0xE1 and data[at + 4 : at + 10] == _EXIF:
            return data[at + 10 : at + 2 + size]
        at += 2 + size
    return b""


def _webp_exif(data: bytes) -> bytes:
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack("<4sI", data[at : at + 8])
        if name == b"EXIF":
            return data[at + 8 : at + 8 + size].removeprefix(_EXIF)
        at += 8 + size + size % 2
    return b""


def _user_comment(tiff: bytes) -> str:
    if tiff[:2] not in (b"II", b"MM"):
        return ""
    order = "<" if tiff[:2] == b"II" else ">"
    first = struct.unpack(f"{order}I", tiff[4:8])[0]
    exif_at = next((at for tag, _, at in _entries(tiff, order, first) if tag == _EXIF_IFD), None)
    if exif_at is None:
        return ""
    for tag, count, at in _entries(tiff, order, exif_at):
        if tag == _USER_COMMENT:
            code, text = tiff[at : at + 8], tiff[at + 8 : at + min(count, _TEXT_LIMIT_BYTES)]
            if code == _UNICODE_CODE:
                # The webui's piexif writes big-endian whatever the TIFF's order is.
                return text.decode("utf-16-be", "replace")
            return text.decode("ascii" if code == _ASCII_CODE else "utf-8", "replace")
    return ""


def _entries(tiff: bytes, order: str, at: int) -> Iterator[tuple[int, int, int]]:
    """Tag, count and value or offset of every entry of the directory at `at`. Source: TIFF 6.0, section 2."""
    (count,) = struct.unpack(f"{order}H", tiff[at : at + 2])
    for number in range(count):
        start = at + 2 + 12 * number
        tag, _, length, value = struct.unpack(f"{order}HHII", tiff[start : start + 12])
        yield tag, length, value
