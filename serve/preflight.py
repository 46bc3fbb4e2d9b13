"""Before the drawing: the payload whole and checked, its names known. After it: what came out differently."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from webui_async.contract import keys
from webui_async.contract.catalog import check_names, find_checkpoint
from webui_async.contract.errors import InvalidPayload, StoreError, UnknownUpload
from webui_async.contract.fields import Limits
from webui_async.contract.images import CONTENT_TYPES
from webui_async.contract.job import Job
from webui_async.contract.payload import CHECKPOINT_SETTING, Payload, fill_uploads, parse_payload
from webui_async.store import Store

FORMATS = tuple(CONTENT_TYPES)


def prepare_job(job: Job, catalog: Mapping[str, Any], store: Store, limits: Limits) -> Payload:
    """The payload that is drawn: its uploads in place, and everything checked as if it were new.

    Raises the validator's errors, UnknownUpload and UnknownName; StoreError when an upload cannot be read.
    """
    payload = parse_payload(job.kind, job.payload, limits)
    if payload.uploads:
        fields = {upload_id: field for field, upload_id in payload.uploads}
        filled = fill_uploads(
            payload.body, lambda upload_id: _load_upload(store, job.owner, upload_id, fields[upload_id])
        )
        payload = parse_payload(job.kind, filled, limits)
    check_names(payload.names, catalog, job.kind.value)
    return payload


def prepare_direct(payload: Payload, catalog: Mapping[str, Any]) -> Payload:
    """The payload of a direct invocation, which has no owner and so no uploads."""
    for field, upload_id in payload.uploads:
        raise UnknownUpload(field, upload_id)
    check_names(payload.names, catalog, payload.kind.value)
    return payload


def read_format(output: object) -> str:
    """The picture format that an `output` asks for. Raises InvalidPayload."""
    if output is None or output == {}:
        return FORMATS[0]
    if not isinstance(output, Mapping) or set(output) != {"format"}:
        raise InvalidPayload("output", output, 'it must be {"format": "png", "jpg" or "webp"}')
    if output["format"] not in FORMATS:
        raise InvalidPayload("output.format", output["format"], f"it must be one of {', '.join(FORMATS)}")
    return str(output["format"])


def differences(payload: Payload, info: Mapping[str, Any], catalog: Mapping[str, Any]) -> list[str]:
    """What the engine says it drew with, where that is not what was asked. It never says so by itself."""
    asked = (payload.body.get("override_settings") or {}).get(CHECKPOINT_SETTING)
    used = info.get("sd_model_name")
    entry = find_checkpoint(catalog, asked) if asked else None
    if entry is None or used is None or entry.get("model_name") == used:
        return []
    return [f"override_settings.{CHECKPOINT_SETTING} asked for {asked!r}, and {used!r} drew"]


def _load_upload(store: Store, owner: str, upload_id: str, field: str) -> str:
    """An upload of the owner's as base64. Raises UnknownUpload."""
    try:
        data = store.get_bytes(keys.upload(owner, upload_id))
    except StoreError as error:
        if _is_denied(error):
            raise UnknownUpload(field, upload_id) from error
        raise
    if data is None:
        raise UnknownUpload(field, upload_id)
    return base64.b64encode(data).decode()


def _is_denied(error: StoreError) -> bool:
    """S3 answers 403 for a missing object to a role that may not list the prefix, and ours may not."""
    cause = error.__cause__
    return isinstance(cause, ClientError) and cause.response.get("Error", {}).get("Code") in (
        "AccessDenied",
        "403",
    )
