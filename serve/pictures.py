"""The pictures in an engine's reply, each with its seed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pybase64

from webui_async.contract.errors import EngineReplyError
from webui_async.contract.images import decode_base64, read_header
from webui_async.contract.payload import Kind

_BEFORE_IMAGES = re.compile(rb'\{\s*"images"\s*:\s*\[\s*(?=")')
_AFTER_IMAGE = re.compile(rb"\s*(?:,\s*(?=\")|(\]))")


@dataclass(frozen=True)
class Picture:
    """One picture as the engine made it, its generation parameters inside."""

    data: bytes
    image_format: str  #: png, jpg or webp
    width: int
    height: int
    seed: int | None  #: None for what no seed made: grids, ControlNet's maps, upscaled pictures


def parse_reply(body: bytes) -> Any:
    """The JSON of a reply. Pictures that it begins with, as the webui's do, are left as bytes.

    They are nearly all of it, and json would take a millisecond for each megabyte, while no thread runs.
    Raises what json.loads does.
    """
    images, rest = _cut_images(body)
    document = json.loads(rest)
    if images:
        document["images"] = images
    return document


def _cut_images(body: bytes) -> tuple[list[bytes], bytes]:
    """The strings of the leading `images`, and the JSON without them. None are cut when one has an escape."""
    before = _BEFORE_IMAGES.match(body)
    at, images = before.end() if before else len(body), []
    while (end := body.find(b'"', at + 1)) > 0 and (after := _AFTER_IMAGE.match(body, end + 1)):
        images.append(body[at + 1 : end])
        at = after.end()
        if after[1]:
            is_plain = not any(b"\\" in image for image in images)
            return (images, b'{"images":[]' + body[at:]) if is_plain else ([], body)
    return [], body


def read_pictures(kind: Kind, document: Mapping[str, Any], info: Mapping[str, Any]) -> list[Picture]:
    """The drawn pictures in order of their seeds, then grids and maps. Raises EngineReplyError."""
    if kind is Kind.EXTRA_SINGLE:
        texts: Any = [document["image"]] if document.get("image") else []
    else:
        texts = document.get("images")
    if not isinstance(texts, list) or not texts:
        raise EngineReplyError("the engine answered without a picture")
    if kind.is_extras:
        return [_read_picture(text, None) for text in texts]
    first, seeds = info.get("index_of_first_image") or 0, info.get("all_seeds") or []
    if not isinstance(first, int) or not isinstance(seeds, list):
        raise EngineReplyError("the engine answered with an info that is not the webui's")
    # A grid comes first and moves index_of_first_image to 1; ControlNet's maps come last.
    drawn = texts[first:][: len(seeds)]
    others = texts[:first] + texts[first + len(drawn) :]
    seeded = [*zip(drawn, seeds, strict=False), *((text, None) for text in others)]
    return [_read_picture(text, seed) for text, seed in seeded]


def read_info(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the engine says it did: its `info` is JSON in a string. Extras have `html_info` instead."""
    if "html_info" in document:
        return {"html_info": document["html_info"]}
    try:
        # NaN is no JSON for anybody else.
        info = json.loads(document.get("info") or "{}", parse_constant=lambda name: None)
    except (TypeError, ValueError) as error:
        raise EngineReplyError("the engine answered with an info that is not JSON") from error
    if not isinstance(info, dict):
        raise EngineReplyError("the engine answered with an info that is no JSON object")
    return info


def _read_picture(text: Any, seed: int | None) -> Picture:
    try:
        data = _decode(text if isinstance(text, (str, bytes)) else "")
        header = read_header(data)
    except ValueError as error:
        raise EngineReplyError(f"the engine answered with a picture that is none: {error}") from error
    return Picture(data, header.image_format, header.width, header.height, seed)


def _decode(text: str | bytes) -> bytes:
    """Raises ValueError. The standard library needs 1 ms for a small picture, and no thread runs then."""
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        # Perhaps it has a data URL's head, which the stock webui's has not.
        return decode_base64(text if isinstance(text, str) else text.decode())
