"""openapi.json: whole in itself, and the same routes as the functions and the template."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from handlers import api, submit

from tests.unit.contract.refusals import short
from webui_async.contract import fields
from webui_async.contract.openapi import openapi
from webui_async.contract.schemas import payload_name

DOCUMENT = openapi("https://api.example.com/v1")
ROUTES = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
TEMPLATE = Path(__file__).resolve().parents[3] / "template.yaml"


def walk(node: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON document."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


class _AnyTag(yaml.SafeLoader):
    """CloudFormation's short forms, read as nothing."""


_AnyTag.add_multi_constructor("!", lambda loader, suffix, node: None)


def test_it_is_json_with_what_openapi_3_1_asks_for() -> None:
    json.dumps(DOCUMENT, allow_nan=False)
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            for status, response in operation["responses"].items():
                assert re.fullmatch(r"[2-5]\d\d", status)
                assert response["description"]


def test_every_reference_leads_somewhere_and_every_schema_is_referred_to() -> None:
    named = {node["$ref"].removeprefix("#/components/schemas/") for node in walk(DOCUMENT) if "$ref" in node}
    assert named == DOCUMENT["components"]["schemas"].keys()


def test_every_parameter_in_a_path_is_described() -> None:
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            described = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"]
            assert described == re.findall(r"{(\w+)}", path)


def test_the_functions_answer_just_these_routes() -> None:
    names = {"job_id": "id", "number": "n"}

    def described(path: str) -> str:
        return re.sub(r"<(\w+)>", lambda match: f"{{{names.get(match[1], match[1])}}}", path)

    answered = {(method, described(path)) for method, path, _ in (*submit.ROUTES, *api.ROUTES)}
    assert answered == ROUTES


def test_the_template_has_just_these_routes_and_asks_for_a_key_where_the_description_does() -> None:
    resources = yaml.load(TEMPLATE.read_text(), _AnyTag)["Resources"]
    events = [
        event["Properties"]
        for resource in resources.values()
        for event in (resource["Properties"].get("Events") or {}).values()
        if event["Type"] == "Api"
    ]
    assert {(event["Method"].upper(), event["Path"]) for event in events} == ROUTES
    for event in events:
        operation = DOCUMENT["paths"][event["Path"]][event["Method"].lower()]
        needs_key = event.get("Auth", {}).get("ApiKeyRequired", True)
        assert operation.get("security", DOCUMENT["security"]) == ([{"api_key": []}] if needs_key else [])


@pytest.mark.parametrize("kind", list(fields.FIELDS))
def test_a_payload_has_the_fields_and_bounds_of_the_allow_list(kind: str) -> None:
    schema = DOCUMENT["components"]["schemas"][payload_name(kind)]
    assert schema["additionalProperties"] is False
    assert schema["properties"].keys() == fields.FIELDS[kind].keys()
    for name, rule in fields.FIELDS[kind].items():
        described = schema["properties"][name]
        assert (described.get("minimum"), described.get("maximum")) == (rule.low, rule.high)
        assert described.keys() & {"type", "$ref", "enum", "oneOf"}, short(described)


def test_every_error_code_is_listed() -> None:
    codes = DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    assert {"invalid_payload", "unknown_lora", "too_many_jobs", "internal_error"} <= set(codes)
