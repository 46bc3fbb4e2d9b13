"""openapi(): the API's OpenAPI 3.1 description, made from the contract's tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webui_async.contract import errors
from webui_async.contract.catalog import ROUTES as STOCK_LISTS
from webui_async.contract.errors import PipelineError
from webui_async.contract.images import CONTENT_TYPES
from webui_async.contract.job import DEFAULT_LIMIT, MAX_LIMIT, Status
from webui_async.contract.payload import Kind
from webui_async.contract.schemas import Schema, components, payload_name, ref

_Errors = tuple[type[PipelineError], ...]
_BODY: _Errors = (errors.MalformedBody, errors.BodyTooLarge, errors.InvalidPayload, errors.ForbiddenField)
_NAMES: _Errors = (
    errors.UnknownCheckpoint, errors.UnknownLora, errors.UnknownVae, errors.UnknownSampler,
    errors.UnknownScheduler, errors.UnknownUpscaler, errors.UnknownScript,
    errors.UnknownControlNetModel, errors.UnknownUpload,
)  # fmt: skip
_TAKING: _Errors = (
    *_BODY, *_NAMES, errors.TooMuchWork, errors.TooManyJobs, errors.IdempotencyConflict,
    errors.EndpointRefused,
)  # fmt: skip
_JOB: _Errors = (errors.UnknownJob, errors.JobDeleted)
#: How a held line can end when the job did not succeed.
_ENDINGS: _Errors = (
    errors.JobExpired, errors.JobCanceled, errors.AttemptsExhausted, errors.EngineRefused,
    errors.EngineReplyError, errors.EngineDied, errors.EngineHung, errors.EngineBroken,
)  # fmt: skip

_ACCEPTED = "the job; Location says where to read it"
_ANY: Schema = {"type": "object"}
_HELD = "not ended yet: GET the Location, which holds the line again"


@dataclass(frozen=True)
class Route:
    """One route as the description tells it."""

    method: str
    path: str
    summary: str
    answers: Mapping[int, tuple[str, Schema | None]]  #: status -> description, and schema of a JSON body
    errors: _Errors = ()
    body: Schema | None = None
    query: Mapping[str, Schema] | None = None
    headers: tuple[str, ...] = ()
    needs_key: bool = True


def routes() -> tuple[Route, ...]:
    """Every route of the API."""
    return (*_job_routes(), *_stock_routes(), *_other_routes())


def openapi(base_url: str) -> dict[str, Any]:
    """The description of the API at `base_url`."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes():
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "webui-async",
            "version": "1",
            "description": "Stock stable-diffusion-webui as an asynchronous image API.",
        },
        "servers": [{"url": base_url}],
        "security": [{"api_key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"api_key": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
            "schemas": components(),
        },
    }


def _job_routes() -> tuple[Route, ...]:
    job = ref("Job")
    query: dict[str, Schema] = {
        "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        "cursor": {"type": "string"},
        "status": {"enum": [status.value for status in Status]},
    }
    return (
        Route("POST", "/jobs", "Take a job", {202: (_ACCEPTED, job)}, (*_TAKING, errors.CallbackRefused),
              ref("JobRequest"), headers=("Idempotency-Key",)),
        Route("GET", "/jobs", "Your jobs, newest first", {200: ("a page", ref("JobList"))},
              (errors.InvalidPayload,), query=query),
        Route("GET", "/jobs/{id}", "The job as it stands", {200: ("the job", job)}, _JOB),
        Route("DELETE", "/jobs/{id}", "Remove an ended job's pictures and inputs", {204: ("removed", None)},
              (*_JOB, errors.JobNotEnded)),
        Route("GET", "/jobs/{id}/wait", "Hold the line until the job has ended",
              {200: ("the ended job, or the stock answer of a stock route's job", job), 303: (_HELD, None)},
              (*_JOB, *_ENDINGS)),
        Route("GET", "/jobs/{id}/images/{n}", "One picture; n counts from 0", {302: ("a fresh link", None)},
              (*_JOB, errors.UnknownImage)),
        Route("POST", "/jobs/{id}/cancel", "End the job without drawing it",
              {200: ("canceled", job), 202: ("asked to stop drawing", job)}, (*_JOB, errors.JobEnded)),
    )  # fmt: skip


def _stock_routes() -> tuple[Route, ...]:
    answer: Schema = {"type": "object", "description": "the stock webui's own answer"}
    drawing = tuple(
        Route("POST", f"/sdapi/v1/{kind.value}", f"The stock webui's {kind.value}; holds the line",
              {200: ("the stock answer", answer), 303: (_HELD, None),
               202: (f"with Prefer: respond-async: {_ACCEPTED}", ref("Job"))},
              (*_TAKING, *_ENDINGS), ref(payload_name(kind.value)), headers=("Idempotency-Key", "Prefer"))
        for kind in Kind
    )  # fmt: skip
    return (
        *drawing,
        Route("POST", "/sdapi/v1/png-info", "The generation parameters kept in a picture",
              {200: ("the stock answer", answer)}, _BODY,
              {"type": "object", "properties": {"image": ref("Image")}, "required": ["image"]}),
        Route("GET", "/sdapi/v1/{route}", f"The engine's lists: {', '.join(STOCK_LISTS)}",
              {200: ("the stock answer", {})}, (errors.UnknownRoute, errors.CatalogMissing)),
    )  # fmt: skip


def _other_routes() -> tuple[Route, ...]:
    upload: Schema = {
        "type": "object",
        "properties": {
            "size_bytes": {"type": "integer", "minimum": 1},
            "content_type": {"enum": list(CONTENT_TYPES.values())},
        },
        "required": ["size_bytes", "content_type"],
    }
    return (
        Route("POST", "/uploads", "A link for one large picture", {201: ("the link", ref("Upload"))}, _BODY,
              upload),
        Route("GET", "/models", "What a payload may name", {200: ("the weight files", ref("Models"))},
              (errors.CatalogMissing,)),
        Route("GET", "/health", "Whether the API answers", {200: ("it does", _ANY)}, needs_key=False),
        Route("GET", "/openapi.json", "This description", {200: ("it", _ANY)}, needs_key=False),
        Route("GET", "/docs", "This description as a page", {200: ("HTML", None)}, needs_key=False),
        Route("GET", "/", "What this is", {200: ("HTML", None)}, needs_key=False),
    )  # fmt: skip


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "responses": {
            **{str(status): _response(*given) for status, given in route.answers.items()},
            **_problems((*route.errors, errors.NoOwner, errors.StoreError) if route.needs_key else ()),
        },
    }
    if parameters := _parameters(route):
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": route.body}}}
    return operation if route.needs_key else operation | {"security": []}


def _parameters(route: Route) -> list[dict[str, Any]]:
    in_path = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    text = {"type": "string"}
    return [
        *({"name": name, "in": "path", "required": True, "schema": text} for name in in_path),
        *({"name": name, "in": "query", "schema": schema} for name, schema in (route.query or {}).items()),
        *({"name": name, "in": "header", "schema": text} for name in route.headers),
    ]


def _response(description: str, schema: Schema | None) -> dict[str, Any]:
    content = {} if schema is None else {"content": {"application/json": {"schema": schema}}}
    return {"description": description, **content}


def _problems(found: _Errors) -> dict[str, Any]:
    """The problem responses by status, each with the codes it comes with."""
    by_status: dict[int, list[str]] = {}
    for error in found:
        by_status.setdefault(error.http_status, []).append(error.code)
    content = {"application/problem+json": {"schema": ref("Problem")}}
    return {
        str(status): {"description": f"code: {', '.join(dict.fromkeys(codes))}", "content": content}
        for status, codes in sorted(by_status.items())
    }
