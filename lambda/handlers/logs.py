"""The log of a function. Ids, keys and counts go in; prompts, pictures, secrets and signed links never do."""

from __future__ import annotations

import functools

from aws_lambda_powertools import Logger


@functools.cache
def logger() -> Logger:
    """One JSON line per entry."""
    return Logger(service="webui-async")
