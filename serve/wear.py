"""When an engine has had its day, though it still draws: what the webui leaks grows with its drawings."""

from __future__ import annotations

import os

from serve.engine import Engine
from serve.webui_process import WebuiProcess
from webui_async.contract.settings import ServeSettings

_SHARE_OF_MEMORY = 0.8


def wear_of(process: WebuiProcess, engine: Engine, settings: ServeSettings) -> str | None:
    """Why the engine should be started anew; None while it need not be."""
    limit = settings.engine_max_rss_bytes or _machine_bytes() * _SHARE_OF_MEMORY
    used, most = process.rss_bytes, settings.engine_max_switches
    if used > limit:
        return f"it holds {used:,} bytes of memory; it may hold {limit:,.0f}"
    if most and engine.switches >= most:
        return f"it has switched checkpoints {most} times"
    return None


def _machine_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
