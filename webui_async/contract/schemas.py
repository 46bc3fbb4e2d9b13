"""JSON schemas of what crosses the API, made from the allow-lists, so that they cannot tell anything else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui_async.contract import fields
from webui_async.contract.catalog import WEIGHT_LISTS
from webui_async.contract.errors import all_errors
from webui_async.contract.fields import Field, Limits
from webui_async.contract.images import CONTENT_TYPES
from webui_async.contract.job import MAX_TTL_S, MIN_TTL_S, Status
from webui_async.contract.payload import Kind

Schema = dict[str, Any]
_LIMITS = Limits()


def ref(name: str) -> Schema:
    """A reference to one of components()."""
    return {"$ref": f"#/components/schemas/{name}"}


def payload_name(kind: str) -> str:
    """The schema's name of a kind's payload: `Txt2imgPayload`, `ExtraSingleImagePayload`."""
    return "".join(word.capitalize() for word in kind.split("-")) + "Payload"


def components() -> dict[str, Schema]:
    """Every schema by name."""
    payloads = {payload_name(kind): _closed(table) for kind, table in fields.FIELDS.items()}
    return payloads | {
        "Image": {
            "type": "string",
            "description": "base64 of a PNG, JPEG or WebP, with or without a data: head; or upload:{id}",
        },
        "OverrideSettings": _closed(fields.SETTINGS),
        "AlwaysonScripts": _scripts(),
        "ControlNetUnit": _closed(fields.CONTROLNET_UNIT),
        "JobRequest": _job_request(),
        "Job": _job(),
        "JobList": _object(
            jobs={"type": "array", "items": ref("JobLine")},
            next_cursor={
                "type": ["string", "null"],
                "description": "cursor of the next page; null on the last",
            },
        ),
        "JobLine": _object(id=_TEXT, kind=_KIND, status=_STATUS, created_at=_TIME, urls=_object(get=_URL)),
        "Upload": _upload(),
        "Models": _models(),
        "Problem": _problem(),
    }


def field_schema(name: str, rule: Field) -> Schema:
    """The schema of one field."""
    schema = _typed(name, rule)
    if rule.choices:
        schema["enum"] = list(rule.choices)
    if rule.note and "$ref" not in schema:
        schema["description"] = rule.note
    if name in fields.DEFAULTS:
        schema["default"] = fields.DEFAULTS[name]
    return schema


def _typed(name: str, rule: Field) -> Schema:
    if rule.type == "own":
        return _own(name)
    simple: Mapping[str, Schema] = {
        "boolean": {"type": "boolean"},
        "string": {"type": "string", "maxLength": _LIMITS.max_text_chars},
        "prompt": {"type": "string", "maxLength": _LIMITS.max_prompt_chars},
        "strings": {"type": "array", "items": {"type": "string"}, "maxItems": _LIMITS.max_images},
        "image": ref("Image"),
        "images": {"type": "array", "items": ref("Image"), "maxItems": _LIMITS.max_images},
    }
    if rule.type in simple:
        return dict(simple[rule.type])
    schema: Schema = {"type": rule.type, "minimum": rule.low, "maximum": rule.high}
    return schema | ({"multipleOf": rule.multiple_of} if rule.multiple_of else {})


def _own(name: str) -> Schema:
    """The fields that have a reader of their own."""
    return {
        "override_settings": ref("OverrideSettings"),
        "alwayson_scripts": ref("AlwaysonScripts"),
        "imageList": {
            "type": "array",
            "maxItems": _LIMITS.max_images,
            "items": _object(data=ref("Image"), name={"type": "string"}),
        },
        "image": {"oneOf": [ref("Image"), _object(image=ref("Image"), mask=ref("Image"))]},
        "resize_mode": {"enum": list(fields.RESIZE_MODES)},
        "control_mode": {"enum": list(fields.CONTROL_MODES)},
    }[name]


def _closed(table: Mapping[str, Field]) -> Schema:
    return {
        "type": "object",
        "description": "a field that is null counts as not given",
        "properties": {name: field_schema(name, rule) for name, rule in table.items()},
        "additionalProperties": False,
    }


def _scripts() -> Schema:
    units = {"type": "array", "items": ref("ControlNetUnit"), "maxItems": fields.MAX_CONTROLNET_UNITS}
    plain = _object(args={"type": "array", "items": {"type": ["number", "boolean", "string"]}})
    scripts = {fields.CONTROLNET: _object(args=units)} | {name: plain for name in fields.PLAIN_SCRIPTS}
    return _object(**scripts) | {"additionalProperties": False}


def _job_request() -> Schema:
    payloads = [ref(payload_name(kind.value)) for kind in Kind]
    schema = _object(
        kind=_KIND,
        payload={"oneOf": payloads},
        callback_url={
            "type": "string",
            "format": "uri",
            "description": "https, public; called once the job ended",
        },
        output=_object(format={"enum": list(CONTENT_TYPES), "default": "png"}),
        ttl_s={
            "type": "integer",
            "minimum": MIN_TTL_S,
            "maximum": MAX_TTL_S,
            "description": "expired when not drawn by then",
        },
    )
    return schema | {
        "required": ["kind", "payload"],
        "description": "the webui's own bodies, task envelopes and diffusers-style bodies are taken as well",
    }


def _job() -> Schema:
    image = _object(
        url=_URL, seed={"type": ["integer", "null"]}, width={"type": "integer"}, height={"type": "integer"}
    )
    seconds = {name: _NUMBER_OR_NULL for name in ("queued_s", "drawing_s", "total_s", "cost_usd")}
    schema = _object(
        id=_TEXT, kind=_KIND, status=_STATUS, created_at=_TIME, expires_at=_TIME, ended_at=_TIME,
        attempt={"type": "integer"},
        queue_ahead={"type": "integer", "description": "while queued: unfinished jobs accepted before"},
        progress=_object(
            fraction={"type": "number"}, eta_s=_NUMBER_OR_NULL, step={"type": "integer"}, at=_TIME
        ),
        images={"type": "array", "items": image},
        info={"type": "object", "description": "the webui's own info, parsed"},
        error=_object(code=_TEXT, message=_TEXT, retryable={"type": "boolean"}),
        warnings={"type": "array", "items": _TEXT},
        metrics=_object(**seconds),
        urls=_object(get=_URL, wait=_URL, cancel=_URL),
        output_uri={"type": "string", "description": "where result.json is once the job has ended"},
    )  # fmt: skip
    return schema | {
        "required": ["id", "kind", "status", "created_at", "images", "warnings", "metrics", "urls"]
    }


def _upload() -> Schema:
    return _object(
        id={"type": "string", "description": "what a payload's image field says: upload:{id}"},
        upload_id=_TEXT,
        url=_URL,
        method={"const": "PUT"},
        headers={"type": "object", "additionalProperties": _TEXT, "description": "send them as they are"},
        expires_at=_TIME,
    )


def _models() -> Schema:
    optional = {"type": ["string", "null"]}
    file: dict[str, Schema] = dict(
        name={"type": "string", "description": "what a payload says"},
        type={"type": "string", "enum": sorted(WEIGHT_LISTS.values())},
        family=optional | {"description": "SD1, SD2, SDXL, SD3, Flux; null when nothing tells"},
        hash=optional | {"description": "as the webui shows it"},
        sha256=optional | {"description": "of the whole file"},
        on_demand={"type": "boolean", "description": "not in the model pack: fetched when a job names it"},
    )
    files = {"type": "array", "items": _object(**file)}
    return _object(
        checkpoints={"type": "array", "items": _object(**file, title=_TEXT)},
        default_checkpoint=optional,
        loras={"type": "array", "items": _object(**file, alias=optional)},
        vaes=files,
        embeddings=files,
        controlnet=files,
    )


def _problem() -> Schema:
    schema = _object(
        type=_TEXT,
        title=_TEXT,
        status={"type": "integer"},
        code={"type": "string", "enum": sorted({error.code for error in all_errors()})},
        detail={"type": "string", "description": "names field and value, and what to do"},
        job_id=_TEXT,
    )
    return schema | {
        "required": ["type", "title", "status", "code", "detail"],
        "description": "RFC 9457 problem details",
    }


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


_TEXT: Schema = {"type": "string"}
_URL: Schema = {"type": "string", "format": "uri"}
_TIME: Schema = {"type": "string", "format": "date-time"}
_NUMBER_OR_NULL: Schema = {"type": ["number", "null"]}
_KIND: Schema = {"type": "string", "enum": [kind.value for kind in Kind]}
_STATUS: Schema = {"type": "string", "enum": [status.value for status in Status]}
