"""POST /uploads: a place for a picture that is too large for a body."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from handlers import http
from handlers.http import Call
from handlers.wiring import Wiring
from webui_async.contract import keys
from webui_async.contract.errors import ForbiddenField, InvalidPayload
from webui_async.contract.images import CONTENT_TYPES
from webui_async.contract.times import to_iso


def post_upload(world: Wiring, call: Call) -> Response[str]:
    """POST /uploads {size_bytes, content_type}: 201 and a link that takes one PUT of just that."""
    owner, body = call.owner(world), call.document()
    if foreign := set(body) - {"size_bytes", "content_type"}:
        raise ForbiddenField(min(foreign)[:80], "an upload has size_bytes and content_type")
    size_bytes = _read_size(body.get("size_bytes"), world.settings.max_upload_bytes)
    content_type = _read_type(body.get("content_type"))
    upload_id, ttl_s = world.random(16).hex(), world.settings.link_ttl_s
    url = world.store.presign_put(keys.upload(owner, upload_id), ttl_s, size_bytes, content_type)
    document = {
        "id": f"upload:{upload_id}",
        "upload_id": upload_id,
        "url": url,
        "method": "PUT",
        "headers": {"Content-Type": content_type, "Content-Length": str(size_bytes)},
        "expires_at": to_iso(world.now() + ttl_s),
    }
    return http.answer(201, document)


def _read_size(value: object, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise InvalidPayload("size_bytes", value, f"it must be a whole number from 1 to {most}")
    return value


def _read_type(value: object) -> str:
    known = tuple(CONTENT_TYPES.values())
    if not isinstance(value, str) or value not in known:
        raise InvalidPayload("content_type", value, f"it must be {' or '.join(known)}")
    return value
