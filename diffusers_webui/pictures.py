"""Pictures in and out of requests: base64 and data URLs, PNG with its text chunk, JPEG and WebP with EXIF.

Sources: stable-diffusion-webui modules/api/api.py (decode_base64_to_image, encode_pil_to_base64),
modules/images.py.
"""

import base64
import binascii
import io
import math
from typing import Any

from PIL import Image, PngImagePlugin

from diffusers_webui.errors import BadPicture, HttpRefusal

_USER_COMMENT = 0x9286
_EXIF_IFD = 0x8769


def decode(text: str) -> Image.Image:
    """The picture of a base64 text or data URL, read whole. URLs are never fetched, paths never opened.

    Raises HttpRefusal for what is no picture, BadPicture for a truncated one.
    """
    if text.startswith(("http://", "https://")):
        raise HttpRefusal(500, "Requests not allowed")
    if text.startswith("data:image/"):
        text = text.split(";", 1)[-1].removeprefix("base64,")
    try:
        picture: Image.Image = Image.open(io.BytesIO(base64.b64decode(text)))
    except (binascii.Error, ValueError, OSError, Image.DecompressionBombError) as error:
        raise HttpRefusal(500, "Invalid encoded image") from error
    try:
        picture.load()
    except (OSError, SyntaxError) as error:
        raise BadPicture(str(error)) from error
    return picture


def encode(picture: Image.Image, options: Any, infotext: str | None = None) -> str:
    """Base64 of the picture in the format of option samples_format, with its infotext inside."""
    return base64.b64encode(encoded_bytes(picture, options, infotext)).decode("ascii")


def encoded_bytes(picture: Image.Image, options: Any, infotext: str | None = None) -> bytes:
    """The picture as a file in the format of option samples_format."""
    wanted = str(options["samples_format"]).lower()
    buffer = io.BytesIO()
    if wanted == "png":
        picture.save(buffer, "PNG", pnginfo=_text_chunk(infotext) if options["enable_pnginfo"] else None)
    elif wanted in ("jpg", "jpeg", "webp"):
        exif = _exif(infotext) if options["enable_pnginfo"] else Image.Exif()
        kind = "WEBP" if wanted == "webp" else "JPEG"
        flat = picture if kind == "WEBP" else picture.convert("RGB")
        flat.save(
            buffer,
            kind,
            quality=int(options["jpeg_quality"]),
            exif=exif,
            **({"lossless": bool(options["webp_lossless"])} if kind == "WEBP" else {}),
        )
    else:
        raise HttpRefusal(500, "Invalid image format")
    return buffer.getvalue()


def encode_preview(picture: Image.Image, kind: str) -> str:
    """Base64 of a live preview: small and quick, without text."""
    buffer = io.BytesIO()
    picture.save(buffer, {"jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP"}.get(kind, "PNG"))
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def read_infotext(picture: Image.Image) -> tuple[str, dict[str, Any]]:
    """The infotext inside a picture, and whatever other text it holds."""
    items = {str(key): value for key, value in picture.info.items() if isinstance(value, str)}
    text = items.pop("parameters", "")
    comment = picture.getexif().get_ifd(_EXIF_IFD).get(_USER_COMMENT)
    if not text and isinstance(comment, bytes):
        head, body = comment[:8], comment[8:]
        text = body.decode("utf-16-be" if head.startswith(b"UNICODE") else "utf-8", errors="ignore")
    for key in (
        "jfif",
        "jfif_version",
        "jfif_unit",
        "jfif_density",
        "dpi",
        "exif",
        "loop",
        "background",
        "timestamp",
        "duration",
        "progressive",
        "progression",
        "icc_profile",
        "chromaticity",
        "photoshop",
    ):
        items.pop(key, None)
    return text, items


def grid(pictures: list[Image.Image]) -> Image.Image:
    """All pictures of one size in one, near a square. Source: modules/images.py, image_grid."""
    rows = min(round(math.sqrt(len(pictures))), len(pictures))
    columns = math.ceil(len(pictures) / rows)
    width, height = pictures[0].size
    sheet = Image.new("RGB", (columns * width, rows * height), "black")
    for i, picture in enumerate(pictures):
        sheet.paste(picture, (i % columns * width, i // columns * height))
    return sheet


def _text_chunk(infotext: str | None) -> PngImagePlugin.PngInfo | None:
    if infotext is None:
        return None
    chunk = PngImagePlugin.PngInfo()
    chunk.add_text("parameters", infotext)
    return chunk


def _exif(infotext: str | None) -> Image.Exif:
    exif = Image.Exif()
    if infotext is not None:
        exif.get_ifd(_EXIF_IFD)[_USER_COMMENT] = b"UNICODE\0" + infotext.encode("utf-16-be")
    return exif
