"""What the engine holds, collected from its own lists."""

from __future__ import annotations

import asyncio
from typing import Any

from serve.engine import Engine
from webui_async.contract.catalog import CONTROLNET_ROUTE, ROUTES, visible_options, without_paths


async def collect(engine: Engine) -> dict[str, Any]:
    """The catalog as the contract has it: route -> the engine's answer, without places on its disk."""
    options = await engine.options()
    routes = [route for route in ROUTES if route != "options"]
    answers = await asyncio.gather(*(engine.list(route) for route in routes))
    catalog = {route: without_paths(answer) for route, answer in zip(routes, answers, strict=True)}
    # The ControlNet extension answers under its own root, and only where it is installed.
    controlnet = await engine.list("/controlnet/model_list")
    models = controlnet.get("model_list", []) if isinstance(controlnet, dict) else []
    return catalog | {"options": visible_options(options), CONTROLNET_ROUTE: models}
