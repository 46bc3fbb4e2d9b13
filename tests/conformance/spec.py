"""Two openapi.json: whether the routes that a server has are described as the stock webui describes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_REFERENCE = "#/components/schemas/"


def compare_specs(found: Any, recorded: Any) -> Iterator[str]:
    """Routes of the server only: one that it lacks shows when it is called."""
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            known = recorded["paths"].get(path, {}).get(method)
            if known is not None and _references(operation) != _references(known):
                yield f"schemas of {method} {path}: {_references(operation)}, recorded {_references(known)}"
    schemas, known_schemas = found["components"]["schemas"], recorded["components"]["schemas"]
    used = {name for path in found["paths"] for name in _references(found["paths"][path])}
    for name in sorted(used & known_schemas.keys()):
        yield from _compare_schemas(name, schemas[name], known_schemas[name])


def _compare_schemas(name: str, found: Any, recorded: Any) -> Iterator[str]:
    fields, known = found["properties"], recorded["properties"]
    for key in sorted(known.keys() - fields.keys()):
        yield f"{name} lacks {key}"
    for key in sorted(fields.keys() & known.keys()):
        if fields[key].get("type") != known[key].get("type"):
            yield f"{name}.{key} is {fields[key].get('type')}, recorded {known[key].get('type')}"
    if sorted(found.get("required", ())) != sorted(recorded.get("required", ())):
        yield f"{name} requires {found.get('required')}, recorded {recorded.get('required')}"


def _references(part: Any) -> list[str]:
    """Names of the schemas that a part of the description points to, in order."""
    if isinstance(part, dict):
        own = [part["$ref"].removeprefix(_REFERENCE)] if "$ref" in part else []
        return own + [name for value in part.values() for name in _references(value)]
    if isinstance(part, list):
        return [name for value in part for name in _references(value)]
    return []
