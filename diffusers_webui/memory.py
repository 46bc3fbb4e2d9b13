"""How much memory there is, and how much a drawing will take: what would not fit is refused unbegun.

Without this one absurd size has the kernel kill the process.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from diffusers_webui.errors import OutOfMemory

#: of the memory that looks free, the share one drawing may plan with
_USABLE = 0.9
_CGROUP_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def report(cuda: dict[str, Any]) -> dict[str, Any]:
    """The body of GET /memory: this process, and what it could have.

    Source: modules/api/api.py, get_memory.
    """
    process = psutil.Process()
    used = process.memory_info().rss
    total = 100 * used / max(process.memory_percent(), 1e-6)
    return {"ram": {"free": total - used, "used": used, "total": total}, "cuda": cuda}


def cuda_report(stats: Mapping[str, int], free: int, total: int) -> dict[str, Any]:
    """The `cuda` part of GET /memory. stats: torch.cuda.memory_stats()."""

    def span(name: str) -> dict[str, int]:
        return {word: stats.get(f"{name}.all.{word}", 0) for word in ("current", "peak")}

    return {
        "system": {"free": free, "used": total - free, "total": total},
        "active": span("active_bytes"),
        "allocated": span("allocated_bytes"),
        "reserved": span("reserved_bytes"),
        "inactive": span("inactive_split_bytes"),
        "events": {"retries": stats.get("num_alloc_retries", 0), "oom": stats.get("num_ooms", 0)},
    }


def free_bytes() -> int:
    """Memory that can still be had: the machine's, or what the container's limit leaves."""
    free = psutil.virtual_memory().available
    for limit_file, used_file in _CGROUP_LIMITS:
        try:
            limit, used = Path(limit_file).read_text().strip(), int(Path(used_file).read_text())
        except (OSError, ValueError):
            continue
        if limit.isdigit():
            free = min(free, int(limit) - used)
    return max(free, 0)


def drawing_bytes(
    width: int, height: int, batch_size: int, texts: int, unet_channels: int, vae_channels: int
) -> int:
    """An upper bound, at most three times too high, of what one batch takes while it is drawn.

    texts: how often the UNet runs the whole batch in one go: with the prompt, or each of its parts, and
    without. unet_channels, vae_channels: at full width, where the largest tensors are. The VAE runs one
    picture at a time. Both factors were measured in fp32 on a CPU; attention does not count, it never holds
    its whole matrix.
    """
    pixels = width * height
    unet = texts * batch_size * (pixels // 64) * unet_channels * 4 * 24
    vae = pixels * vae_channels * 4 * 8
    return unet + vae + batch_size * pixels * 24


def refuse_unless_it_fits(needed_bytes: int, available_bytes: int) -> None:
    """Raise OutOfMemory, which is what the stock webui's allocator says, when a drawing will not fit."""
    if needed_bytes > available_bytes * _USABLE:
        raise OutOfMemory(needed_bytes)
