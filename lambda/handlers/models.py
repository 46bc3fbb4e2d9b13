"""What the endpoint holds, read from its catalog: no GPU wakes for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aws_lambda_powertools.event_handler import Response

from handlers import http
from handlers.http import Call
from handlers.wiring import Wiring
from webui_async.contract import catalog, keys
from webui_async.contract.errors import CatalogMissing, UnknownRoute

#: What the webui answers where it has nothing to list.
_EMPTY: Mapping[str, Any] = {"embeddings": {"loaded": {}, "skipped": {}}, "options": {}, "scripts": {}}
#: What GET /models calls the lists of weight files.
_SHOWN: Mapping[str, str] = {
    "checkpoints": "sd-models",
    "loras": "loras",
    "vaes": "sd-vae",
    "embeddings": "embeddings",
    "controlnet": catalog.CONTROLNET_ROUTE,
}


def get_models(world: Wiring, call: Call) -> Response[str]:
    """GET /models: every weight file that a payload may name, in the model pack or on demand."""
    held = _catalog(world, call)
    document = {shown: list(_files(held, route)) for shown, route in _SHOWN.items()}
    return http.answer(200, document | {"default_checkpoint": catalog.default_checkpoint(held)})


def get_stock_list(world: Wiring, call: Call, route: str) -> Response[str]:
    """GET /sdapi/v1/{route}: the engine's own answer; what can be fetched on demand is listed likewise."""
    if route not in catalog.ROUTES:
        raise UnknownRoute(
            f"no route GET /sdapi/v1/{route[:80]}; these are there: {', '.join(catalog.ROUTES)}"
        )
    held = _catalog(world, call)
    return http.answer(200, held.get(route) or _EMPTY.get(route, []))


def _catalog(world: Wiring, call: Call) -> dict[str, Any]:
    call.owner(world)
    held = world.store.get_json(keys.catalog(world.settings.endpoint))
    if held is None:
        raise CatalogMissing(
            f"endpoint {world.settings.endpoint!r} never came up, so nobody knows what it holds. "
            "A job wakes it: POST /jobs"
        )
    return held


def _files(held: Mapping[str, Any], route: str) -> Iterator[dict[str, Any]]:
    """One list of weight files: what the engine says of each, and what else is known."""
    for name, entry in catalog.weight_entries(held, route):
        facts = catalog.facts_of(held, route, name)
        yield {
            "name": name,
            "type": catalog.WEIGHT_LISTS[route],
            "family": facts.family,
            "hash": entry.get("hash") or facts.hash,
            "sha256": entry.get("sha256") or facts.sha256,
            "on_demand": facts.on_demand,
            **{field: entry[field] for field in ("title", "alias") if field in entry},
        }
