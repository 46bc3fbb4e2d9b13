"""Requests held against botocore's own service model.

botocore itself checks types, minima and which members are required; it leaves max, pattern and enum to the
service, and moto does not check them either. AWS does.
"""

from __future__ import annotations

import functools
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ParamValidationError
from botocore.hooks import BaseEventHooks
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

#: When botocore has a request's parameters, before it looks at them itself.
EVENT = "before-parameter-build"


def register(events: BaseEventHooks) -> None:
    """Every request of this session or client is checked from now on.

    events: those of a boto3 session or of a client (`client.meta.events`).
    A request that AWS would refuse then raises botocore's ParamValidationError.
    """
    events.register(EVENT, check_parameters)


def check_parameters(params: Mapping[str, Any], model: OperationModel, **_: object) -> None:
    """botocore's handler of EVENT. Raises ParamValidationError."""
    if found := violations(model.input_shape, params):
        raise ParamValidationError(report="\n".join(f"{model.name}: {text}" for text in found))


def violations(shape: Shape | None, value: Any) -> list[str]:
    """What AWS would say against `value`, one sentence each; none when it holds."""
    return [] if shape is None else list(_walk(shape, value, ""))


def _walk(shape: Shape, value: Any, place: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        yield from _structure(shape, value, place)
    elif isinstance(shape, ListShape):
        yield from _bounds(shape, len(value), place, "length")
        for i, item in enumerate(value):
            yield from _walk(shape.member, item, f"{place}.{i + 1}.member")
    elif isinstance(shape, MapShape):
        yield from _bounds(shape, len(value), place, "length")
        for key, item in value.items():
            yield from _walk(shape.key, key, f"{place}.key")
            yield from _walk(shape.value, item, f"{place}.{key}.member")
    elif shape.type_name == "string":
        yield from _string(shape, value, place)
    elif shape.type_name == "blob" and isinstance(value, (bytes, bytearray, str)):
        yield from _bounds(shape, len(value), place, "length")
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from _bounds(shape, value, place, "value")


def _structure(shape: StructureShape, value: Mapping[str, Any], place: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield _sentence(f"{place}.{name}", "must not be null")
    for name, item in value.items():
        if item is not None and name in shape.members:
            yield from _walk(shape.members[name], item, f"{place}.{name}")


def _string(shape: Shape, value: str, place: str) -> Iterator[str]:
    yield from _bounds(shape, len(value), place, "length")
    if shape.enum and value not in shape.enum:  # type: ignore[attr-defined]
        yield _sentence(place, f"must satisfy enum value set: {shape.enum}")  # type: ignore[attr-defined]
    pattern = shape.metadata.get("pattern")
    expression = _expression(pattern) if pattern else None
    if expression and not expression.fullmatch(value):
        yield _sentence(place, f"must satisfy regular expression pattern: {pattern}")


def _bounds(shape: Shape, number: float, place: str, what: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and number < low:
        yield _sentence(place, f"must have {what} greater than or equal to {low}")
    if high is not None and number > high:
        yield _sentence(place, f"must have {what} less than or equal to {high}")


def _sentence(place: str, rule: str) -> str:
    """AWS's own words, less the value: it may be secret."""
    path = place.lstrip(".")
    return f"Value at '{path[:1].lower()}{path[1:]}' failed to satisfy constraint: Member {rule}"


@functools.cache
def _expression(pattern: str) -> re.Pattern[str] | None:
    """The model's pattern, which is Java's, for Python; None for the few that are no pattern at all."""
    text = pattern.replace(r"\z", r"\Z").replace(r"\w-", r"\w\-")
    text = text.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")
    try:
        return re.compile(_without_properties(text))
    except re.error:
        return None


def _without_properties(pattern: str) -> str:
    """`\\p{…}` written out as characters, in brackets where it stands outside of them."""
    written, inside = [], False
    for token in re.findall(r"\\p\{\w+\}|\\.|.", pattern, re.DOTALL):
        if token.startswith(r"\p{"):
            members = _members(token[3:-1])
            written.append(members if inside else f"[{members}]")
        else:
            inside = token == "[" or (inside and token != "]")
            written.append(token)
    return "".join(written)


_POSIX = {"ASCII": r"\x00-\x7f", "Print": r"\x20-\x7e", "Alnum": "a-zA-Z0-9"}


@functools.cache
def _members(name: str) -> str:
    """The characters with one of Java's properties, as the inside of a bracket expression."""
    if name in _POSIX:
        return _POSIX[name]
    return "".join(
        rf"\U{first:08x}-\U{last:08x}"
        for first, last in _runs(lambda code: unicodedata.category(chr(code)).startswith(name))
    )


def _runs(has: Callable[[int], bool]) -> Iterator[tuple[int, int]]:
    start = None
    for code in range(sys.maxunicode + 2):
        if code <= sys.maxunicode and has(code):
            start = code if start is None else start
        elif start is not None:
            yield start, code - 1
            start = None
