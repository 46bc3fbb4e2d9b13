"""The OpenAPI body of a REST API, as SAM writes it: which path leads where, and who must show a key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webui_async.local.deployed import Api, GatewayResponse, Route
from webui_async.local.errors import TemplateError

_FUNCTION = re.compile(r":lambda:path/[^/]+/functions/[^/]*:function:([^:/]+)[^/]*/invocations$")
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method")
_ANY = "x-amazon-apigateway-any-method"
_HEADER = "gatewayresponse.header."


def read_api(api_id: str, body: Mapping[str, Any], binary_types: tuple[str, ...]) -> Api:
    """The API of a resolved body. Raises TemplateError for an integration that the local stack has not."""
    routes = tuple(
        _route(path, method, operation)
        for path, operations in (body.get("paths") or {}).items()
        for method, operation in operations.items()
        if method in _METHODS
    )
    responses = body.get("x-amazon-apigateway-gateway-responses") or {}
    types = binary_types + tuple(body.get("x-amazon-apigateway-binary-media-types") or ())
    return Api(api_id, routes, {name: read_response(item) for name, item in responses.items()}, types)


def _route(path: str, method: str, operation: Mapping[str, Any]) -> Route:
    integration = operation.get("x-amazon-apigateway-integration") or {}
    match = _FUNCTION.search(str(integration.get("uri", "")))
    if str(integration.get("type", "")).lower() != "aws_proxy" or match is None:
        raise TemplateError(
            f"{method.upper()} {path} has the integration {integration.get('type')!r}; "
            "the local stack serves Lambda proxies only"
        )
    schemes = {name for requirement in operation.get("security") or [] for name in requirement}
    if schemes - {"api_key"}:
        raise TemplateError(
            f"{method.upper()} {path} asks for {sorted(schemes)}; the local stack knows api_key"
        )
    return Route("ANY" if method == _ANY else method.upper(), path, match[1], "api_key" in schemes)


def read_response(item: Mapping[str, Any]) -> GatewayResponse:
    """A gateway response, as a body or AWS::ApiGateway::GatewayResponse describes it."""
    parameters = item.get("responseParameters") or item.get("ResponseParameters") or {}
    headers = {
        name.removeprefix(_HEADER): str(value).strip("'")
        for name, value in parameters.items()
        if name.startswith(_HEADER)
    }
    status = item.get("statusCode") or item.get("StatusCode")
    templates = item.get("responseTemplates") or item.get("ResponseTemplates") or {}
    return GatewayResponse(int(status) if status else None, headers, dict(templates))
