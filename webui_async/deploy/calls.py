"""What is to be done on AWS, call by call: what a plan shows and what apply makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

CREATE, CHANGE, DELETE = "create", "change", "delete"


@dataclass(frozen=True)
class Call:
    """One request that changes something."""

    service: str  #: as boto3 calls it
    operation: str  #: as AWS calls it: CreateModel
    parameters: Mapping[str, Any]
    verb: str  #: create, change or delete
    sentence: str  #: what it does to what
    #: The scaling policy whose ARN its AlarmActions are: known once the policy has been put.
    sets_off: str | None = None


def counted(instances: int) -> str:
    """`1 instance`, `2 instances`."""
    return f"{instances} instance" + ("" if instances == 1 else "s")


def calls_table(calls: Iterable[Call]) -> str:
    """A line for each call."""
    rows = [(call.verb, f"{call.service} {call.operation}", call.sentence) for call in calls]
    width = max((len(what) for _, what, _ in rows), default=0)
    return "\n".join(f"{verb:<6}  {what:<{width}}  {sentence}" for verb, what, sentence in rows)
