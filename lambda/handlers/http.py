"""HTTP as API Gateway's REST proxy has it: one call in, one answer out, errors as problem documents."""

from __future__ import annotations

import base64
import binascii
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response

from handlers.logs import logger
from handlers.wiring import Wiring
from webui_async.contract import keys
from webui_async.contract.errors import BodyTooLarge, MalformedBody, PipelineError, StoreError, UnknownRoute
from webui_async.contract.fields import Limits
from webui_async.contract.job import owner_of
from webui_async.contract.payload import parse_json

#: One route: method, path, and what answers it.
Route = tuple[str, str, Callable[..., Response[str]]]
PROBLEM = "application/problem+json"
JSON = "application/json"


@dataclass(frozen=True)
class Call:
    """One HTTP request."""

    event: Mapping[str, Any]

    @property
    def context(self) -> Mapping[str, Any]:
        return self.event.get("requestContext") or {}

    def owner(self, world: Wiring) -> str:
        """Who calls. Raises NoOwner."""
        return owner_of(self.event, world.settings.owner_aliases)

    def header(self, name: str) -> str | None:
        """A header's value, whatever the letter case of its name."""
        headers: Mapping[str, str] = self.event.get("headers") or {}
        return next((value for given, value in headers.items() if given.lower() == name.lower()), None)

    def query(self, name: str) -> str | None:
        """A query parameter's value; None when it was not given."""
        value = (self.event.get("queryStringParameters") or {}).get(name)
        return None if value is None else str(value)

    @property
    def path(self) -> str:
        """The path below the stage or the custom domain's base path: what routes are written in."""
        segments = self._segments(self.event.get("path") or "/")
        return "/" + "/".join(segments[len(segments) - self._depth :])

    @property
    def base_url(self) -> str:
        """Where the API is, as the caller sees it: `https://host` or `https://host/stage`."""
        segments = self._segments(self.context.get("path") or self.event.get("path") or "/")
        prefix = segments[: len(segments) - self._depth]
        scheme = self.header("X-Forwarded-Proto") or "https"
        host = self.header("Host") or self.context.get("domainName") or "localhost"
        return f"{scheme}://" + "/".join([host, *prefix])

    @property
    def _depth(self) -> int:
        """How many segments of the path are the route's."""
        resource = self.event.get("resource") or ""
        if not resource or "+}" in resource:
            return len(self._segments(self.event.get("path") or "/"))
        return len(self._segments(resource))

    @staticmethod
    def _segments(path: str) -> list[str]:
        return [segment for segment in path.split("/") if segment]

    def came_in_at(self, now: float) -> float:
        """When API Gateway took the request; its clock starts there, not when we are started."""
        epoch_ms = self.context.get("requestTimeEpoch")
        return min(now, epoch_ms / 1000) if isinstance(epoch_ms, (int, float)) else now

    def body(self) -> bytes:
        """The request's body, whatever its content type. Raises MalformedBody or BodyTooLarge."""
        text = self.event.get("body") or ""
        try:
            # Lone surrogates are kept, so that the validator names the field they are in.
            plain = text.encode("utf-8", "surrogatepass")
            data = base64.b64decode(plain, validate=True) if self.event.get("isBase64Encoded") else plain
        except binascii.Error as error:
            raise MalformedBody(f"the body is not base64 though the event says so: {error}") from error
        if len(data) > Limits.max_body_bytes:
            raise BodyTooLarge(
                f"the body has {len(data)} bytes; at most {Limits.max_body_bytes} are taken. "
                "Send pictures with POST /uploads and name them upload:{id}"
            )
        return data

    def document(self) -> dict[str, Any]:
        """The JSON object in the body. Raises MalformedBody or BodyTooLarge."""
        return parse_json(self.body())


def make_app(world: Wiring, routes: Sequence[Route]) -> APIGatewayRestResolver:
    """The resolver of one function. Each route is called as answer(world, call, **path parameters)."""
    app = APIGatewayRestResolver()
    for method, path, answer_route in routes:
        app.route(path, method=method)(_bound(app, world, answer_route))
    app.not_found(functools.partial(_unknown_route, app))
    app.exception_handler(PipelineError)(functools.partial(_expected, app))
    app.exception_handler(Exception)(functools.partial(_unexpected, app))
    return app


def resolve(app: APIGatewayRestResolver, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """API Gateway's answer to its event."""
    return app.resolve({**event, "path": Call(event).path}, context)


def answer(status: int, document: Any, headers: Mapping[str, str] | None = None) -> Response[str]:
    """A JSON answer; a text is JSON already."""
    text = document if isinstance(document, str) else json.dumps(document, separators=(",", ":"))
    # Answers hold links that end and states that change.
    return Response(status, JSON, text, {"Cache-Control": "no-store", **(headers or {})})


def redirect(status: int, url: str) -> Response[str]:
    """Go there instead."""
    return Response(status, JSON, "", {"Location": url, "Cache-Control": "no-store"})


def problem(error: PipelineError, job_id: str | None = None) -> Response[str]:
    """The problem document of an error."""
    return problem_answer(error.problem(job_id))


def problem_answer(document: Mapping[str, Any]) -> Response[str]:
    """A problem document as an answer."""
    return Response(document["status"], PROBLEM, json.dumps(document), {"Cache-Control": "no-store"})


def _bound(
    app: APIGatewayRestResolver, world: Wiring, answer_route: Callable[..., Response[str]]
) -> Callable[..., Response[str]]:
    def respond(**path: str) -> Response[str]:
        return answer_route(world, _call_of(app), **path)

    return respond


def _call_of(app: APIGatewayRestResolver) -> Call:
    return Call(app.current_event.raw_event)


def _job_id_in(call: Call) -> str | None:
    return next((part for part in call.path.split("/") if keys.is_job_id(part)), None)


def _unknown_route(app: APIGatewayRestResolver, _: Exception | None = None) -> Response[str]:
    call = _call_of(app)
    method = str(call.event.get("httpMethod"))
    return problem(UnknownRoute(f"no route {method} {call.path[:200]}; GET /docs lists them"))


def _expected(app: APIGatewayRestResolver, error: PipelineError) -> Response[str]:
    if error.http_status >= 500:
        logger().error("call failed", code=error.code, reason=str(error))
    if isinstance(error, StoreError):
        # What AWS says names roles and accounts.
        error = StoreError("the storage did not answer as it should. Try again in a moment")
    return problem(error, _job_id_in(_call_of(app)))


def _unexpected(app: APIGatewayRestResolver, error: Exception) -> Response[str]:
    """The handler's edge: the trace is for the log, not for the caller."""
    logger().exception("unexpected error", route=_call_of(app).path, exc_info=error)
    hidden = PipelineError(
        "something of ours broke; its trace is in the log. Try again, or report the time of day"
    )
    return problem(hidden, _job_id_in(_call_of(app)))
