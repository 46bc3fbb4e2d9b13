"""A REST API's Lambda proxy: an HTTP request as an event, a function's result as an answer.

Source: API Gateway Developer Guide, "Lambda proxy integrations in API Gateway", payload version 1.0.
"""

from __future__ import annotations

import base64
import binascii
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from webui_async.local.control_plane import ACCOUNT
from webui_async.local.deployed import Route


@dataclass(frozen=True)
class Incoming:
    """An HTTP request as the gateway got it."""

    method: str
    stage: str
    path: str  #: below the stage, still percent-encoded
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    source_ip: str
    received_at: float  #: seconds since 1970
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def header(self, name: str) -> str | None:
        """The last value of the header, whose name is in lower case."""
        values = [value for key, value in self.headers if key == name]
        return values[-1] if values else None


@dataclass(frozen=True)
class Outgoing:
    """An HTTP answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class MalformedAnswer(Exception):
    """A function's result is not what API Gateway takes."""


def match(routes: Iterable[Route], method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route of the request and its path parameters.

    The most literal resource that fits is the one, whether it has the method or not: that is how API Gateway
    answers a wrong method on a known path as an unknown route.
    """
    parts = [unquote(part) for part in path.strip("/").split("/")]
    fitting = [
        (route, found)
        for route in routes
        if (found := _fit(route.path.strip("/").split("/"), parts)) is not None
    ]
    if not fitting:
        return None
    best = min(_looseness(route.path) for route, _ in fitting)
    for route, found in fitting:
        if _looseness(route.path) == best and route.method in (method, "ANY"):
            return route, found
    return None


def _looseness(path: str) -> list[int]:
    return [2 if part.endswith("+}") else int(part.startswith("{")) for part in path.strip("/").split("/")]


def _fit(pattern: list[str], parts: list[str]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for place, wanted in enumerate(pattern):
        if wanted.endswith("+}"):
            rest = "/".join(parts[place:])
            return found | {wanted[1:-2]: rest} if rest else None
        if place >= len(parts):
            return None
        if wanted.startswith("{"):
            if not parts[place]:
                return None
            found[wanted[1:-1]] = parts[place]
        elif wanted != parts[place]:
            return None
    return found if len(parts) == len(pattern) else None


def event_of(
    request: Incoming,
    route: Route,
    path_parameters: Mapping[str, str],
    api_id: str,
    key_id: str | None,
    is_binary: bool,
) -> dict[str, Any]:
    """The event a function gets for the request."""
    headers = [(name.title(), value) for name, value in request.headers]
    host = request.header("host") or ""
    headers += [("X-Forwarded-Proto", "http"), ("X-Forwarded-For", request.source_ip)]
    query = parse_qsl(request.query, keep_blank_values=True)
    path = unquote(request.path)
    body: str | None = None
    if request.body:
        body = (
            base64.b64encode(request.body).decode() if is_binary else request.body.decode("utf-8", "replace")
        )
    return {
        "resource": route.path,
        "path": path,
        "httpMethod": request.method,
        "headers": dict(headers),
        "multiValueHeaders": _grouped(headers),
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": _grouped(query) or None,
        "pathParameters": dict(path_parameters) or None,
        "stageVariables": None,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": api_id,
            "resourceId": "local",
            "resourcePath": route.path,
            "httpMethod": request.method,
            "stage": request.stage,
            "path": f"/{request.stage}{path}",
            "protocol": "HTTP/1.1",
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "requestId": request.request_id,
            "extendedRequestId": request.request_id,
            "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(request.received_at)),
            "requestTimeEpoch": int(request.received_at * 1000),
            "identity": {
                "apiKey": request.header("x-api-key") if key_id else None,
                "apiKeyId": key_id,
                "sourceIp": request.source_ip,
                "userAgent": request.header("user-agent"),
            },
        },
        "body": body,
        "isBase64Encoded": bool(request.body) and is_binary,
    }


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def answer_of(result: Any, decodes: bool) -> Outgoing:
    """The HTTP answer that a function's result describes. Raises MalformedAnswer.

    decodes: whether the caller accepts one of the API's binary types; without that API Gateway passes base64
    on as the text it is.
    """
    if not isinstance(result, dict) or not _is_status(result.get("statusCode")):
        raise MalformedAnswer("the function's result has no statusCode")
    body = result.get("body")
    if body is not None and not isinstance(body, str):
        raise MalformedAnswer(f"the function's body is {type(body).__name__}; it must be text")
    headers = {str(name): [str(value)] for name, value in (result.get("headers") or {}).items()}
    for name, values in (result.get("multiValueHeaders") or {}).items():
        headers[str(name)] = [str(value) for value in values]
    if not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = ["application/json"]
    data = (body or "").encode()
    if result.get("isBase64Encoded") and decodes:
        try:
            data = base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise MalformedAnswer(f"the function's body is not base64: {error}") from error
    headers = {name: values for name, values in headers.items() if name.lower() != "content-length"}
    pairs = tuple((name, value) for name, values in headers.items() for value in values)
    return Outgoing(int(result["statusCode"]), pairs, data)


def _is_status(value: Any) -> bool:
    return str(value).isdigit() and 100 <= int(value) <= 599


def is_binary_type(types: Sequence[str], value: str | None) -> bool:
    """Whether the media type, or the first that an Accept header names, is one of the API's binary types."""
    wanted = (value or "").partition(",")[0].partition(";")[0].strip().lower()
    main = wanted.partition("/")[0]
    return any(kind in ("*/*", wanted) or (bool(wanted) and kind == f"{main}/*") for kind in types)
