"""Before the drawing: the payload whole and checked, its names known."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from serve.container import Container
from serve.drawing import Order
from serve.model_tree import check_families
from serve.on_demand import PROMPTS
from serve.tasks import Check
from webui_async.contract import keys
from webui_async.contract.catalog import check_names, default_checkpoint, find_checkpoint, told_name
from webui_async.contract.errors import InvalidPayload, StoreError, UnknownUpload
from webui_async.contract.fields import Limits
from webui_async.contract.images import CONTENT_TYPES
from webui_async.contract.job import Job
from webui_async.contract.payload import CHECKPOINT_SETTING, Payload, fill_uploads, parse_payload
from webui_async.store import Store

FORMATS = tuple(CONTENT_TYPES)


def fill(job: Job, store: Store, limits: Limits) -> Payload:
    """The payload that is drawn: its uploads in place, and everything checked as if it were new.

    Raises the validator's errors and UnknownUpload; StoreError when an upload cannot be read.
    """
    payload = parse_payload(job.kind, job.payload, limits)
    if payload.uploads:
        fields = {upload_id: field for field, upload_id in payload.uploads}
        filled = fill_uploads(
            payload.body, lambda upload_id: _load_upload(store, job.owner, upload_id, fields[upload_id])
        )
        payload = parse_payload(job.kind, filled, limits)
    return payload


def refuse_uploads(payload: Payload) -> None:
    """Raises UnknownUpload: a direct invocation has no owner, and so no uploads."""
    for field, upload_id in payload.uploads:
        raise UnknownUpload(field, upload_id)


@contextlib.asynccontextmanager
async def ordered(
    payload: Payload, image_format: str, check: Check, container: Container
) -> AsyncIterator[Order]:
    """The drawing to ask for. Every model that it names is on this machine in this block.

    check: asked every watch_s, while models are fetched, whether the drawing is still wanted.
    Raises UnknownName, FamilyMismatch, the errors of a fetch, EngineBroken and BadModelPack.
    """
    running = await container.supervisor.ready()
    prompts = [payload.body.get(field, "") for field in PROMPTS]
    missing = await container.on_demand.find(payload.names, running.catalog, prompts)
    catalog = container.on_demand.extended(running.catalog)
    check_names(payload.names, catalog, payload.kind.value)
    async with container.on_demand.holding(missing, check, container.settings.watch_s):
        checkpoint = checkpoint_of(payload, catalog)
        check_families(payload.names, checkpoint, container.tree.family_of)
        yield Order(payload, image_format, checkpoint)


def checkpoint_of(payload: Payload, catalog: Mapping[str, Any]) -> str | None:
    """The checkpoint that will draw, as an info tells of it; None when none does, or nobody knows."""
    if payload.kind.is_extras:
        return None
    settings = payload.body.get("override_settings") or {}
    entry = find_checkpoint(catalog, settings.get(CHECKPOINT_SETTING) or default_checkpoint(catalog) or "")
    return told_name(entry) if entry else None


def read_format(output: object) -> str:
    """The picture format that an `output` asks for. Raises InvalidPayload."""
    if output is None or output == {}:
        return FORMATS[0]
    if not isinstance(output, Mapping) or set(output) != {"format"}:
        raise InvalidPayload("output", output, 'it must be {"format": "png", "jpg" or "webp"}')
    if output["format"] not in FORMATS:
        raise InvalidPayload("output.format", output["format"], f"it must be one of {', '.join(FORMATS)}")
    return str(output["format"])


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
