"""Sampler names with a scheduler in them, as webui 1.8 and older wrote them."""

from __future__ import annotations

#: Suffix of an old sampler name -> the scheduler's label.
#: Source: the webui's modules/sd_samplers.py, get_sampler_and_scheduler.
SUFFIXES = {
    "Karras": "Karras",
    "Exponential": "Exponential",
    "Polyexponential": "Polyexponential",
    "SGM Uniform": "SGM Uniform",
    "Uniform": "Uniform",
    "Automatic": "Automatic",
}


def split_sampler(name: str) -> tuple[str, str | None]:
    """("DPM++ 2M", "Karras") for "DPM++ 2M Karras"; (name, None) when there is no scheduler in it."""
    for suffix, scheduler in sorted(SUFFIXES.items(), key=lambda item: -len(item[0])):
        head = name[: -len(suffix)].rstrip()
        if head and name.lower().endswith(f" {suffix.lower()}"):
            return head, scheduler
    return name, None
