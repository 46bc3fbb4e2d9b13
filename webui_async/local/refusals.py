"""The answers that API Gateway gives itself, in the template's words.

Source: API Gateway Developer Guide, "Gateway response types for API Gateway".
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Mapping

from webui_async.local.deployed import Api, GatewayResponse
from webui_async.local.proxy import Incoming, Outgoing

_VARIABLE = re.compile(r"\$context\.([A-Za-z]+(?:\.[A-Za-z]+)*)")


class Refused(enum.Enum):
    """Why no function is asked: response type, status unless the template says otherwise, message."""

    UNKNOWN_ROUTE = ("MISSING_AUTHENTICATION_TOKEN", 403, "Missing Authentication Token")
    NO_KEY = ("INVALID_API_KEY", 403, "Forbidden")
    TOO_FAST = ("THROTTLED", 429, "Too Many Requests")
    TOO_OFTEN = ("QUOTA_EXCEEDED", 429, "Limit Exceeded")
    TOO_LARGE = ("REQUEST_TOO_LARGE", 413, "Request Entity Too Large")
    TIMED_OUT = ("INTEGRATION_TIMEOUT", 504, "Endpoint request timed out")
    FAILED = ("INTEGRATION_FAILURE", 502, "Internal server error")

    @property
    def type(self) -> str:
        return self.value[0]

    @property
    def status(self) -> int:
        return self.value[1]

    @property
    def message(self) -> str:
        return self.value[2]


def refuse(api: Api, why: Refused, request: Incoming) -> Outgoing:
    """The template's own answer for it, else its DEFAULT_4XX or DEFAULT_5XX, else API Gateway's.

    The status of a default counts for every refusal of its class that the template gives none.
    """
    default = api.responses.get(f"DEFAULT_{why.status // 100}XX") or GatewayResponse(None)
    response = api.responses.get(why.type) or default
    status = response.status or default.status or why.status
    content_type, template = _template(response.templates)
    headers = {"Content-Type": content_type} | dict(response.headers)
    body = _VARIABLE.sub(lambda found: _variables(why, request).get(found[1], ""), template)
    headers["x-amzn-RequestId"] = request.request_id
    return Outgoing(status, tuple(headers.items()), body.encode())


def _template(templates: Mapping[str, str]) -> tuple[str, str]:
    for content_type in ("application/json", *templates):
        if content_type in templates:
            return content_type, templates[content_type]
    return "application/json", '{"message":$context.error.messageString}'


def _variables(why: Refused, request: Incoming) -> dict[str, str]:
    return {
        "error.message": why.message,
        "error.messageString": json.dumps(why.message),
        "error.responseType": why.type,
        "requestId": request.request_id,
        "httpMethod": request.method,
        "path": f"/{request.stage}{request.path}",
        "stage": request.stage,
        "identity.sourceIp": request.source_ip,
        "requestTimeEpoch": str(int(request.received_at * 1000)),
    }
