"""Headers and generation parameters of pictures, honest and not."""

from __future__ import annotations

import struct
import zlib

import pytest

from tests.unit.contract.pictures import b64, chunk, frame, jpeg, png, riff, segment, vp8x
from webui_async.contract.images import ImageHeader, decode_base64, plain_base64, read_header
from webui_async.contract.parameters import generation_parameters

TEXT = "a boat, ein Boot, 船\nSteps: 4"
#: 300x200: VP8 has start code and sizes after 6 bytes, VP8L 14 bits each after its signature.
VP8 = b"VP8 ", b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", 300, 200)
VP8L = b"VP8L", b"\x2f" + struct.pack("<I", 299 | 199 << 14) + b"\0"


@pytest.mark.parametrize(
    ("data", "image_format"),
    [
        (png(300, 200), "png"),
        (jpeg(frame(300, 200)), "jpg"),
        (jpeg(segment(0xE0, b"JFIF\0"), b"\xff\xff", frame(300, 200, 0xC2)), "jpg"),
        (riff(VP8), "webp"),
        (riff(VP8L), "webp"),
        (riff(vp8x(300, 200)), "webp"),
    ],
    ids=["png", "jpeg", "jpeg with filling", "webp lossy", "webp lossless", "webp extended"],
)
def test_format_and_size_are_read(data: bytes, image_format: str) -> None:
    assert read_header(data) == ImageHeader(image_format, 300, 200)


def test_the_largest_webp_canvas_is_read() -> None:
    assert read_header(riff(vp8x(1 << 24, 1 << 24))).width == 1 << 24


@pytest.mark.parametrize("data", [png(8, 8), jpeg(frame(8, 8)), riff(vp8x(8, 8)), riff(VP8), riff(VP8L)])
def test_a_picture_cut_off_in_its_header_is_refused_at_every_length(data: bytes) -> None:
    header = read_header(data)
    for length in range(len(data)):
        try:
            assert read_header(data[:length]) == header
        except ValueError:
            continue


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"<svg/>",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8" + b"\0" * 64,
        b"\xff\xd8" + b"\xff" * 64,
        jpeg(),
        b"\xff\xd8" + segment(0xE0, b"") * 3,
        riff((b"ALPH", bytes(20))),
        b"RIFF\0\0\0\0WAVE" + bytes(30),
    ],
)
def test_what_is_no_picture_of_ours_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_header(data)


def test_a_png_with_two_sizes_is_refused() -> None:
    second = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    with pytest.raises(ValueError, match="two sizes"):
        read_header(png(8, 8, second))


@pytest.mark.parametrize(
    "data",
    [
        jpeg(frame(8, 8), frame(60_000, 60_000)),
        jpeg(b"\xff\xd0", frame(8, 8)),
        jpeg(frame(8, 8), b"\x00\x00"),
    ],
)
def test_a_jpeg_whose_segments_can_be_read_in_two_ways_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="JPEG"):
        read_header(data)


@pytest.mark.parametrize("head", ["", "data:image/png;base64,", "data:image/svg+xml;base64,"])
def test_base64_is_read_with_and_without_a_head(head: str) -> None:
    text = b64(b"hello, picture")
    assert plain_base64(f"{head}{text[:5]}\r\n {text[5:]}") == text
    assert decode_base64(head + text) == b"hello, picture"


@pytest.mark.parametrize(
    "text", ["a", "!!!!", "aGk", "caf\u00e9", "\ud800", "data:text/html;base64,aGk=", "aGk=aGk="]
)
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not base64"):
        decode_base64(text)


# Generation parameters --------------------------------------------------------------------------------------


def itxt(text: bytes, flag: bytes = b"\0") -> bytes:
    return chunk(b"iTXt", b"parameters\0" + flag + b"\0\0\0" + text)


def exif(order: str, comment: bytes) -> bytes:
    """A TIFF whose Exif directory holds one user comment."""
    first = struct.pack(f"{order}HHHIII", 1, 0x8769, 4, 1, 26, 0)
    second = struct.pack(f"{order}HHHIII", 1, 0x9286, 7, len(comment), 44, 0)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    return head + first + second + comment


UNICODE = b"UNICODE\0" + TEXT.encode("utf-16-be")


@pytest.mark.parametrize(
    "data",
    [
        png(8, 8, itxt(TEXT.encode())),
        png(8, 8, itxt(zlib.compress(TEXT.encode()), b"\1")),
        jpeg(segment(0xE1, b"Exif\0\0" + exif("<", UNICODE)), frame(8, 8)),
        jpeg(
            segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0"),
            segment(0xE1, b"Exif\0\0" + exif(">", UNICODE)),
            frame(8, 8),
        ),
        riff(vp8x(8, 8), (b"VP8 ", b"odd"), (b"EXIF", exif("<", UNICODE))),
        riff(vp8x(8, 8), (b"EXIF", b"Exif\0\0" + exif("<", UNICODE))),
    ],
    ids=["iTXt", "compressed iTXt", "jpeg", "jpeg with XMP", "webp", "webp with Exif head"],
)
def test_generation_parameters_are_found(data: bytes) -> None:
    assert generation_parameters(data) == TEXT


def test_generation_parameters_in_latin_text_and_ascii_comments_are_found() -> None:
    assert (
        generation_parameters(png(8, 8, chunk(b"tEXt", "parameters\0caf\u00e9".encode("latin-1")))) == "café"
    )
    comment = exif("<", b"ASCII\0\0\0a boat")
    assert generation_parameters(jpeg(segment(0xE1, b"Exif\0\0" + comment), frame(8, 8))) == "a boat"


@pytest.mark.parametrize(
    "data",
    [
        png(8, 8),
        png(8, 8, chunk(b"tEXt", b"Software\0x")),
        png(8, 8, chunk(b"iTXt", b"parameters\0\1")),
        png(8, 8, itxt(b"not zlib", b"\1")),
        jpeg(frame(8, 8)),
        riff(vp8x(8, 8)),
        jpeg(segment(0xE1, b"Exif\0\0"), frame(8, 8)),
        jpeg(segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff"), frame(8, 8)),
        riff(vp8x(8, 8), (b"EXIF", exif("<", UNICODE)[:30])),
    ],
)
def test_a_picture_without_parameters_has_none(data: bytes) -> None:
    assert generation_parameters(data) == ""


def test_a_small_text_that_inflates_to_gigabytes_is_cut() -> None:
    bomb = itxt(zlib.compress(b"a" * 50_000_000, 9), b"\1")
    assert len(generation_parameters(png(8, 8, bomb))) <= 1 << 20
