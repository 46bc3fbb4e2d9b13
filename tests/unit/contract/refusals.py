"""Asking the validator."""

from __future__ import annotations

import json
from typing import Any

import pytest

from webui_async.contract.errors import ForbiddenField, InvalidPayload
from webui_async.contract.payload import Kind, parse_payload


def short(value: object) -> str:
    """A test's name for a value."""
    return repr(value)[:12]


def why(payload: dict[str, Any], kind: Kind = Kind.TXT2IMG) -> str:
    """The message of the refusal; it fits into a response whatever was sent."""
    with pytest.raises((InvalidPayload, ForbiddenField)) as caught:
        parse_payload(kind, payload)
    assert len(str(caught.value)) < 600
    json.dumps(caught.value.problem()).encode()
    return str(caught.value)


def read(payload: dict[str, Any], kind: Kind = Kind.TXT2IMG) -> dict[str, Any]:
    """The body that the payload becomes."""
    return parse_payload(kind, payload).body
