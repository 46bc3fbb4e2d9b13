"""What the endpoint holds, read from its catalog: no GPU wakes for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.event_handler import Response

from handlers import http
from handlers.http import Call
from handlers.wiring import Wiring
from webui_async.contract import catalog, keys
from webui_async.contract.errors import CatalogMissing, UnknownRoute

#: What the webui answers where it has nothing to list.
_EMPTY: Mapping[str, Any] = {"embeddings": {"loaded": {}, "skipped": {}}, "options": {}, "scripts": {}}


def get_models(world: Wiring, call: Call) -> Response[str]:
    """GET /models: every weight file that a payload may name."""
    held = _catalog(world, call)
    checkpoints = held.get("sd-models") or ()
    document = {
        "checkpoints": [
            {
                "name": entry.get("model_name"),
                "title": entry.get("title"),
                "hash": entry.get("hash"),
                "sha256": entry.get("sha256"),
            }
            for entry in checkpoints
        ],
        "default_checkpoint": catalog.default_checkpoint(held),
        "loras": [
            {"name": entry.get("name"), "alias": entry.get("alias")} for entry in held.get("loras") or ()
        ],
        "vaes": [{"name": entry.get("model_name")} for entry in held.get("sd-vae") or ()],
        "controlnet": [_controlnet(name) for name in held.get(catalog.CONTROLNET_ROUTE) or ()],
    }
    return http.answer(200, document)


def get_stock_list(world: Wiring, call: Call, route: str) -> Response[str]:
    """GET /sdapi/v1/{route}: the engine's own answer, as it was when it came up."""
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


def _controlnet(title: str) -> dict[str, str | None]:
    """`name [hash]` taken apart."""
    name, bracket, rest = title.partition(" [")
    return {"name": name, "hash": rest.rstrip("]") if bracket else None}
