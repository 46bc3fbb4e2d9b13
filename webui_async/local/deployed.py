"""What the template became: the parts that the local stack runs itself, as plain records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Function:
    """A Lambda function."""

    name: str
    arn: str
    handler: str  #: package.module.function
    code_dir: Path
    role_arn: str
    environment: Mapping[str, str]
    timeout_s: float = 3.0
    memory_mb: int = 128
    concurrency: int | None = None  #: ReservedConcurrentExecutions


@dataclass(frozen=True)
class EventSource:
    """A queue whose messages a function is invoked with."""

    name: str
    queue_arn: str
    function_name: str
    batch_size: int = 10
    reports_failures: bool = False  #: the function names the messages that failed
    concurrency: int | None = None


@dataclass(frozen=True)
class Schedule:
    """A function invoked again and again."""

    name: str
    rule_arn: str
    function_name: str
    period_s: float
    input: Any = None  #: the event, when the rule has one of its own


@dataclass(frozen=True)
class Route:
    """A method of a resource of the API."""

    method: str
    path: str  #: as the template writes it: /jobs/{id}
    function_name: str
    needs_key: bool


@dataclass(frozen=True)
class GatewayResponse:
    """How the API answers when it is not a function that answers."""

    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, str] = field(
        default_factory=dict
    )  #: content type -> template with $context variables


@dataclass(frozen=True)
class Api:
    """A REST API."""

    id: str
    routes: tuple[Route, ...]
    responses: Mapping[str, GatewayResponse]
    binary_types: tuple[str, ...] = ()


@dataclass(frozen=True)
class ApiKey:
    """What a caller shows in x-api-key."""

    id: str
    name: str
    value: str
    enabled: bool = True


@dataclass
class UsagePlan:
    """How much its keys may ask."""

    id: str
    rate_per_s: float | None = None
    burst: float | None = None
    quota: int | None = None
    quota_period: str = "DAY"  #: DAY, WEEK or MONTH
    key_ids: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class MadeResource:
    """A resource of the template that exists."""

    name: str  #: in the template
    type: str
    ref: str  #: what Ref gives: its name, ARN or URL
    is_retained: bool = False  #: it outlives its stack


@dataclass
class Deployed:
    """Everything that one template made, by its name in the template unless a field says otherwise."""

    resources: list[MadeResource] = field(default_factory=list)  #: in the order in which they were made
    parameters: dict[str, str] = field(default_factory=dict)  #: the template's own, defaults included
    functions: dict[str, Function] = field(default_factory=dict)
    event_sources: dict[str, EventSource] = field(default_factory=dict)
    schedules: dict[str, Schedule] = field(default_factory=dict)
    apis: dict[str, Api] = field(default_factory=dict)  #: by id
    stages: dict[str, str] = field(default_factory=dict)  #: stage name -> id of its API
    api_keys: dict[str, ApiKey] = field(default_factory=dict)  #: by id
    usage_plans: dict[str, UsagePlan] = field(default_factory=dict)  #: by id
    outputs: dict[str, str] = field(default_factory=dict)
