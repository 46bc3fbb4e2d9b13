"""A spec from a YAML file and from flags: flag > file > default."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from webui_async.contract.errors import InvalidSpec
from webui_async.deploy.spec import EndpointSpec
from webui_async.deploy.spec_rules import closest

FIELDS: Mapping[str, dataclasses.Field[Any]] = {
    field.name: field for field in dataclasses.fields(EndpointSpec)
}
_HINTS: Mapping[str, Any] = typing.get_type_hints(EndpointSpec)
_NEEDED = [name for name, field in FIELDS.items() if field.default is field.default_factory]
_NOTHING: Mapping[str, Any] = types.MappingProxyType({})
_KINDS = {str: "a text", int: "a whole number", float: "a number"}


def read_spec(
    path: Path | None,
    flags: Mapping[str, str | Sequence[str] | None],
    fill: Mapping[str, Callable[[Mapping[str, Any]], str]] = _NOTHING,
) -> EndpointSpec:
    """The spec of the file at `path`, where the flags say nothing else.

    flags: as they were typed; several texts for a field of several, `NAME=VALUE` for a table, whose entries
    add to the file's. None says nothing.
    fill: what gives a needed field that nobody said, from those that were said.
    Raises InvalidSpec, which names field and value.
    """
    document = dict(_document(path) if path else {})
    for name, said in flags.items():
        if said is not None:
            value, before = _typed(name, said), document.get(name)
            # A table's flags add to the file's.
            document[name] = before | value if isinstance(before, dict) and isinstance(value, dict) else value
    for name in _NEEDED:
        if name not in document and name in fill:
            document[name] = fill[name](document)
        if name not in document:
            raise InvalidSpec(name, None, f"say it with --{name} or in the file of --spec")
    values: dict[str, Any] = {name: _value(name, value) for name, value in document.items()}
    return EndpointSpec(**values)


def meanings() -> dict[str, str]:
    """What each field is for, as the source says it."""
    source = inspect.getsource(EndpointSpec)
    found = {name: re.search(rf"^    {name}:.*#: (.*)$", source, re.MULTILINE) for name in FIELDS}
    return {name: match[1] if match else "" for name, match in found.items()}


def is_table(name: str) -> bool:
    """Whether the field is a mapping."""
    return typing.get_origin(_HINTS[name]) is Mapping


def is_list(name: str) -> bool:
    """Whether the field is several texts."""
    return typing.get_origin(_HINTS[name]) is tuple


def _typed(name: str, said: str | Sequence[str]) -> object:
    """What a flag says, as a file would have said it."""
    if isinstance(said, str):
        kinds = {kind for kind in (int, float) if kind in (_HINTS[name], *typing.get_args(_HINTS[name]))}
        return _as_number(said, *kinds) if kinds else said
    if not is_table(name):
        return list(said)
    pairs = [text.partition("=") for text in said]
    for text, (key, equals, _) in zip(said, pairs, strict=True):
        if not key or not equals:
            raise InvalidSpec(name, text, "it must be NAME=VALUE")
    is_text = typing.get_args(_HINTS[name])[1] is str
    return {key: value if is_text else _as_number(value, float) for key, _, value in pairs}


def _as_number(text: str, kind: type[int] | type[float]) -> object:
    """The number; the text itself when it is none, which is refused by name later."""
    try:
        return kind(text)
    except ValueError:
        return text


def _document(path: Path) -> Mapping[str, Any]:
    import yaml  # the command line reads the fields' names here, also where nothing is installed yet

    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidSpec("--spec", str(path), f"it cannot be read as YAML: {error}") from error
    if not isinstance(document, dict):
        raise InvalidSpec("--spec", str(path), "it must be a YAML mapping, field: value")
    return document


def _value(name: object, value: object) -> object:
    if name not in FIELDS:
        raise InvalidSpec(str(name), value, f"there is no such field: {closest(str(name), FIELDS)}")
    assert isinstance(name, str)
    kind = _HINTS[name]
    if typing.get_origin(kind) is types.UnionType:
        if value is None:
            return None
        (kind,) = (each for each in typing.get_args(kind) if each is not type(None))
    return _read(name, value, kind)


def _read(place: str, value: object, kind: Any) -> object:
    origin = typing.get_origin(kind)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise InvalidSpec(place, value, "it must be a list of texts")
        return tuple(_read(f"{place}[{number}]", each, str) for number, each in enumerate(value))
    if origin is not None:
        if not isinstance(value, dict):
            raise InvalidSpec(place, value, "it must be a mapping, name: value")
        _, each_kind = typing.get_args(kind)
        read = _text if each_kind is str else _number
        return {str(name): read(f"{place}.{name}", each) for name, each in value.items()}
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise InvalidSpec(place, value, f"it must be {_KINDS[kind]}")
    return value


def _number(place: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidSpec(place, value, "it must be a number")
    return float(value)


def _text(place: str, value: object) -> str:
    """A variable's value. YAML reads 8 and 0.5 as numbers, and a container gets texts anyway."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidSpec(place, value, "it must be a text: put it in quotes")
    return str(value)
