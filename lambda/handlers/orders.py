"""What a client orders, read and checked. Nothing is written, so a refused order leaves nothing behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from handlers.callback_url import check_callback_url
from handlers.wiring import Wiring
from webui_async.contract import catalog, keys
from webui_async.contract.envelopes import open_envelope
from webui_async.contract.errors import ForbiddenField, InvalidPayload, TooManyJobs, UnknownUpload
from webui_async.contract.fields import Limits
from webui_async.contract.images import CONTENT_TYPES
from webui_async.contract.job import MIN_TTL_S
from webui_async.contract.payload import Kind, Payload, parse_payload
from webui_async.contract.settings import HandlerSettings


@dataclass(frozen=True)
class Order:
    """One job as its client wants it, every field within its bounds."""

    payload: Payload
    ttl_s: int
    stock_route: bool = False
    callback_url: str | None = None
    output: dict[str, str] = field(default_factory=dict)


def read_stock_order(kind: Kind, body: Mapping[str, Any], settings: HandlerSettings) -> Order:
    """The order in a body of /sdapi/v1/{kind}. Raises what parse_payload raises."""
    return Order(parse_payload(kind, body, _limits(settings)), settings.job_ttl_s, stock_route=True)


def read_order(body: Mapping[str, Any], settings: HandlerSettings) -> Order:
    """The order in a body of /jobs, in any known envelope.

    Raises what open_envelope and parse_payload raise, and CallbackRefused.
    """
    envelope = open_envelope(body)
    payload = parse_payload(envelope.kind, envelope.payload, _limits(settings))
    options = envelope.options
    callback_url = options.get("callback_url")
    if callback_url is not None:
        check_callback_url(callback_url, settings.callback_allow_hosts)
    ttl_s = _read_ttl_s(options.get("ttl_s", settings.job_ttl_s), settings)
    return Order(payload, ttl_s, callback_url=callback_url, output=_read_output(options.get("output", {})))


def check_order(world: Wiring, owner: str, order: Order) -> None:
    """Nothing when the endpoint holds all that the order names and the uploads are there.

    Raises an UnknownName or UnknownUpload. Without a catalog the endpoint never came up: the
    container checks.
    """
    held = world.store.get_json(keys.catalog(world.settings.endpoint))
    if held is not None:
        catalog.check_names(order.payload.names, held, order.payload.kind.value)
    for name, upload_id in order.payload.uploads:
        if not world.store.exists(keys.upload(owner, upload_id)):
            raise UnknownUpload(name, upload_id)


def check_room(world: Wiring, owner: str) -> int:
    """How many unfinished jobs there are, whoever's. Raises TooManyJobs when the owner has enough of them."""
    found = [keys.parse_active(entry.key) for entry in world.store.list(keys.ACTIVE)]
    own = sum(1 for active in found if active and active.owner == owner)
    most = world.settings.max_active_jobs
    if own >= most:
        raise TooManyJobs(
            f"you have {own} unfinished jobs; at most {most} are taken. Wait for one, or cancel one"
        )
    return len(found)


def _limits(settings: HandlerSettings) -> Limits:
    return Limits(max_pixel_steps=settings.max_pixel_steps)


def _read_ttl_s(value: object, settings: HandlerSettings) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not MIN_TTL_S <= value <= settings.job_ttl_s:
        raise InvalidPayload(
            "ttl_s", value, f"it must be a whole number from {MIN_TTL_S} to {settings.job_ttl_s}"
        )
    return value


def _read_output(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise InvalidPayload("output", value, 'it must be an object such as {"format": "jpg"}')
    if foreign := set(value) - {"format"}:
        raise ForbiddenField(f"output.{min(foreign)[:80]}", "output has format only")
    image_format = value.get("format", "png")
    if image_format not in tuple(CONTENT_TYPES):
        raise InvalidPayload("output.format", image_format, f"it must be {' or '.join(CONTENT_TYPES)}")
    return {"format": image_format}
