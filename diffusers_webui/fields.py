"""The request bodies: fields, defaults, and pydantic 1's coercions and complaints.

The stock webui runs pydantic 1: "3" and 2.7 are good integers, 5 is a good string, unknown fields are
dropped, null passes almost everywhere. pydantic 2 refuses these, so the few rules are written out here.
Sources: stable-diffusion-webui modules/api/models.py; pydantic 1.10 validators.py.
"""

import copy
import json
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from diffusers_webui.errors import InvalidBody, Misfit

_TRUE = {1, "1", "on", "t", "true", "y", "yes"}
_FALSE = {0, "0", "off", "f", "false", "n", "no"}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    raise Misfit("str type expected", "type_error.str")


def _integer(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise Misfit("value is not a valid integer", "type_error.integer") from None


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise Misfit("value is not a valid float", "type_error.float") from None


def _boolean(value: Any) -> bool:
    word = value.lower() if isinstance(value, str) else value
    if not isinstance(word, list | dict) and word in _TRUE | _FALSE:
        return word in _TRUE
    raise Misfit("value could not be parsed to a boolean", "type_error.bool")


def _items(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    raise Misfit("value is not a valid list", "type_error.list")


def _mapping(value: Any) -> dict[str, Any]:
    try:
        return dict(value)
    except (TypeError, ValueError):
        raise Misfit("value is not a valid dict", "type_error.dict") from None


def _choice(value: Any) -> Any:
    return value  # the values themselves are compared


def _anything(value: Any) -> Any:
    return value


#: what OpenAPI calls each kind of value; the choices there are, are whole numbers
_JSON_TYPES: dict[Callable[[Any], Any], str] = {
    _text: "string",
    _integer: "integer",
    _number: "number",
    _boolean: "boolean",
    _items: "array",
    _mapping: "object",
    _choice: "integer",
}


@dataclass(frozen=True)
class Field:
    """One field of a request body."""

    default: Any  #: taken when the field is absent; `...` means it must be there
    fit: Callable[[Any], Any]  #: coerces a value or raises Misfit
    nullable: bool = True  #: whether null passes
    at_least: float | None = None  #: smallest value
    above: float | None = None  #: value must be greater
    at_most: float | None = None  #: greatest value
    one_of: tuple[Any, ...] = ()  #: the only values, compared before coercion
    each: Callable[[Any], Any] | None = None  #: coerces every item of a list
    fields: "Fields | None" = None  #: every item of the list is an object with these

    @property
    def json_type(self) -> str | None:
        """The `type` in OpenAPI; None for a field that takes anything."""
        return _JSON_TYPES.get(self.fit)

    @property
    def items_type(self) -> str | None:
        """The `type` of a list's items; None when they may be anything."""
        return None if self.each is None else _JSON_TYPES.get(self.each)


Fields = Mapping[str, Field]


def read_body(raw: bytes, content_type: str, fields: Fields, keep_others: bool = False) -> dict[str, Any]:
    """The body as a dict with every field of the route, defaults filled in.

    keep_others: fields that the route does not name are kept too.
    Raises InvalidBody with pydantic 1's list of problems.
    """
    if not raw:
        raise InvalidBody([{"loc": ["body"], "msg": "field required", "type": "value_error.missing"}])
    is_json = not content_type or content_type.split(";")[0].strip().endswith("json")
    body = _parse(raw) if is_json else None
    if not isinstance(body, dict):
        raise InvalidBody([{"loc": ["body"], "msg": "value is not a valid dict", "type": "type_error.dict"}])
    problems: list[dict[str, Any]] = []
    values = _read_fields(body, fields, ["body"], problems)
    if problems:
        raise InvalidBody(problems)
    return body | values if keep_others else values


def read_query(words: Mapping[str, str], fields: Fields) -> dict[str, Any]:
    """The fields of a query string, defaults filled in. Raises InvalidBody."""
    problems: list[dict[str, Any]] = []
    values = _read_fields(dict(words), fields, ["query"], problems)
    if problems:
        raise InvalidBody(problems)
    return values


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except json.JSONDecodeError as error:
        ctx = {
            "msg": error.msg,
            "doc": error.doc,
            "pos": error.pos,
            "lineno": error.lineno,
            "colno": error.colno,
        }
        problem = {
            "loc": ["body", error.pos],
            "msg": str(error),
            "type": "value_error.jsondecode",
            "ctx": ctx,
        }
        raise InvalidBody([problem]) from error
    except (UnicodeDecodeError, RecursionError) as error:
        problem = {"loc": ["body"], "msg": "There was an error parsing the body", "type": "value_error"}
        raise InvalidBody([problem]) from error


def _read_fields(
    body: dict[str, Any], fields: Fields, loc: list[Any], problems: list[dict[str, Any]]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in body and field.default is not ...:
            values[name] = copy.copy(field.default)
            continue
        try:
            values[name] = _read_field(body, name, field, loc, problems)
        except Misfit as misfit:
            problems.append(_problem([*loc, name], misfit))
    return values


def _read_field(
    body: dict[str, Any], name: str, field: Field, loc: list[Any], problems: list[dict[str, Any]]
) -> Any:
    if name not in body:
        raise Misfit("field required", "value_error.missing")
    value = body[name]
    if value is None:
        if field.nullable:
            return None
        raise Misfit("none is not an allowed value", "type_error.none.not_allowed")
    if field.one_of and value not in field.one_of:
        permitted = ", ".join(map(repr, field.one_of))
        raise Misfit(
            f"unexpected value; permitted: {permitted}",
            "value_error.const",
            {"given": value, "permitted": list(field.one_of)},
        )
    value = field.fit(value)
    _check_bounds(value, field)
    if field.each or field.fields:
        value = [_read_item(item, field, [*loc, name, i], problems) for i, item in enumerate(value)]
    return value


def _read_item(item: Any, field: Field, loc: list[Any], problems: list[dict[str, Any]]) -> Any:
    try:
        if field.fields is None:
            assert field.each is not None
            return field.each(item)
        return _read_fields(_mapping(item), field.fields, loc, problems)
    except Misfit as misfit:
        problems.append(_problem(loc, misfit))
        return None


def _check_bounds(value: Any, field: Field) -> None:
    for limit, holds, words, kind in (
        (field.at_least, operator.ge, "greater than or equal to", "ge"),
        (field.above, operator.gt, "greater than", "gt"),
        (field.at_most, operator.le, "less than or equal to", "le"),
    ):
        if limit is not None and not holds(value, limit):
            raise Misfit(
                f"ensure this value is {words} {limit:g}",
                f"value_error.number.not_{kind}",
                {"limit_value": limit},
            )


def _problem(loc: list[Any], misfit: Misfit) -> dict[str, Any]:
    message, kind, *ctx = misfit.args
    problem = {"loc": loc, "msg": message, "type": kind}
    return problem | {"ctx": ctx[0]} if ctx else problem


def text(default: Any = None, nullable: bool = True) -> Field:
    return Field(default, _text, nullable)


def integer(default: Any = None) -> Field:
    return Field(default, _integer)


def number(default: Any = None) -> Field:
    return Field(default, _number)


def boolean(default: Any = None) -> Field:
    return Field(default, _boolean)


def mapping(default: Any = None) -> Field:
    return Field(default, _mapping)


def items(default: Any = None) -> Field:
    return Field(default, _items)


def texts(default: Any = None) -> Field:
    return Field(default, _items, each=_text)


def bounded(
    default: Any,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    whole: bool = False,
) -> Field:
    return Field(default, _integer if whole else _number, False, at_least, above, at_most)


def choice(default: Any, *values: Any) -> Field:
    return Field(default, _choice, False, one_of=values)


def anything(default: Any = None) -> Field:
    return Field(default, _anything)


def objects(default: Any, fields: Fields) -> Field:
    return Field(default, _items, False, fields=fields)


def flag(default: bool) -> Field:
    return Field(default, _boolean, False)
