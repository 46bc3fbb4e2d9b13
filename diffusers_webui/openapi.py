"""openapi.json and the page at /docs, made from the table of routes and the fields of their bodies."""

import html
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from diffusers_webui import VERSION, schemas
from diffusers_webui.fields import Field, Fields

if TYPE_CHECKING:
    from diffusers_webui.routes import Entry

_OPTION_TYPES = {
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
_FLAG_TYPES = _OPTION_TYPES | {int: "integer", type(None): "string"}
_REFERENCE = "#/components/schemas/"


def document(
    entries: "Iterable[Entry]", options: Mapping[str, Any], flags: Mapping[str, Any]
) -> dict[str, Any]:
    """The OpenAPI 3.0 description of these routes.

    options, flags: the defaults of every option and command line flag, which are schemas of their own.
    """
    paths: dict[str, dict[str, Any]] = {}
    for entry in entries:
        paths.setdefault(entry.path, {})[entry.method.lower()] = _operation(entry)
    shapes = {name: _schema(name, fields) for name, fields in schemas.ALL.items()}
    # the stock webui gives an option whose default is empty no type
    option_types = {key: _OPTION_TYPES[type(value)] if value else None for key, value in options.items()}
    shapes["Options"] = _by_defaults("Options", options, option_types)
    flag_types = {key: _FLAG_TYPES[type(value)] for key, value in flags.items()}
    shapes["Flags"] = _by_defaults("Flags", flags, flag_types)
    return {
        "openapi": "3.0.2",
        "info": {"title": "diffusers_webui", "version": VERSION},
        "paths": paths,
        "components": {"schemas": dict(sorted(shapes.items()))},
    }


def page(description: Mapping[str, Any]) -> str:
    """A page that lists routes and bodies; it fetches nothing, so it works without a network."""
    rows = [
        f"<tr><td>{method.upper()}</td><td>{path}</td><td>{_body_link(operation)}</td></tr>"
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    shapes = description["components"]["schemas"]
    tables = [_table(name, shapes[name]) for name in schemas.BODIES if name in shapes]
    title = description["info"]["title"]
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font:15px sans-serif;margin:2em}td,th{padding:.1em 1em .1em 0;text-align:left}</style>"
        f'</head><body><h1>{title}</h1><p><a href="openapi.json">openapi.json</a></p>'
        f"<table><tr><th>method</th><th>path</th><th>body</th></tr>{''.join(rows)}</table>"
        f"{''.join(tables)}</body></html>"
    )


def _operation(entry: "Entry") -> dict[str, Any]:
    slug = entry.path.strip("/").replace("/", "_").replace("-", "_")
    operation: dict[str, Any] = {
        "summary": entry.name.replace("_", " ").title(),
        "operationId": f"{entry.name}_{slug}_{entry.method.lower()}",
    }
    if entry.query:
        operation["parameters"] = [
            {"required": False, "schema": _property(name, field), "name": name, "in": "query"}
            for name, field in entry.query.items()
        ]
    if entry.body is not None:
        shape = {"$ref": _REFERENCE + entry.body} if entry.body else {"type": "object"}
        operation["requestBody"] = {"content": {"application/json": {"schema": shape}}, "required": True}
    operation["responses"] = {"200": _answer("Successful Response", _given(entry.gives))}
    if entry.query or entry.body is not None:
        invalid = {"$ref": _REFERENCE + "HTTPValidationError"}
        operation["responses"]["422"] = _answer("Validation Error", invalid)
    return operation


def _answer(description: str, shape: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": shape}}}


def _given(name: str) -> dict[str, Any]:
    if name.endswith("[]"):
        return {"type": "array", "items": _given(name.removesuffix("[]"))}
    return {"$ref": _REFERENCE + name} if name else {}


def _schema(name: str, fields: Fields) -> dict[str, Any]:
    required = [key for key, field in fields.items() if field.default is ...]
    properties = {key: _property(key, field) for key, field in fields.items()}
    head = {"title": name, "type": "object"}
    return head | ({"required": required} if required else {}) | {"properties": properties}


def _property(name: str, field: Field) -> dict[str, Any]:
    shape: dict[str, Any] = {"title": _title(name)}
    if field.json_type:
        shape["type"] = field.json_type
    if field.fields is not None:
        shape["items"] = {"$ref": _REFERENCE + _name_of(field.fields)}
    elif field.json_type == "array":
        shape["items"] = {"type": field.items_type} if field.items_type else {}
    limits = {"minimum": field.at_least, "exclusiveMinimum": field.above, "maximum": field.at_most}
    shape |= {key: limit for key, limit in limits.items() if limit is not None}
    if field.one_of:
        shape["enum"] = list(field.one_of)
    return shape if field.default in (..., None) else shape | {"default": field.default}


def _name_of(fields: Fields) -> str:
    return next(name for name, known in schemas.ALL.items() if known is fields)


def _by_defaults(name: str, defaults: Mapping[str, Any], types: Mapping[str, str | None]) -> dict[str, Any]:
    properties = {}
    for key, default in defaults.items():
        items: dict[str, Any] | None = {} if types[key] == "array" else None
        shape = {"title": _title(key), "type": types[key], "items": items, "default": default}
        properties[key] = {word: value for word, value in shape.items() if value is not None}
    return {"title": name, "type": "object", "properties": properties}


def _title(name: str) -> str:
    return name.replace("_", " ").title()


def _body_link(operation: Mapping[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    name = content.get("application/json", {}).get("schema", {}).get("$ref", "").removeprefix(_REFERENCE)
    return f'<a href="#{name}">{name}</a>' if name else ""


def _table(name: str, shape: Mapping[str, Any]) -> str:
    rows = [
        f"<tr><td>{key}</td><td>{field.get('type', '')}</td><td>{_shown(field)}</td></tr>"
        for key, field in shape["properties"].items()
    ]
    return (
        f'<h2 id="{name}">{name}</h2><table><tr><th>field</th><th>type</th><th>default</th></tr>'
        f"{''.join(rows)}</table>"
    )


def _shown(field: Mapping[str, Any]) -> str:
    return html.escape(json.dumps(field["default"])) if "default" in field else ""
