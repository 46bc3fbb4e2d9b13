"""The job, its attempts, its ending: the JSON documents that lie under `jobs/{id}/`."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from webui_async.contract import keys
from webui_async.contract.errors import NoOwner, PipelineError
from webui_async.contract.payload import Kind
from webui_async.contract.times import to_epoch, to_iso

#: SageMaker's own bounds of RequestTTLSeconds, and so of a job's ttl_s.
MIN_TTL_S, MAX_TTL_S = 60, 21600
#: Jobs on one page of the list.
DEFAULT_LIMIT, MAX_LIMIT = 20, 100
MAX_FAILURES = 3
MAX_ATTEMPTS = 10


class Status(str, enum.Enum):
    """Where a job is. The last four are endings."""

    QUEUED = "queued"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def is_ending(self) -> bool:
        return self not in (Status.QUEUED, Status.PROCESSING)


@dataclass(frozen=True)
class Job:
    """`request.json`: what was accepted. It never changes."""

    id: str
    kind: Kind
    payload: dict[str, Any]  #: the body for /sdapi/v1/{kind}, already validated; images may be `upload:{id}`
    owner: str
    endpoint: str
    created_at: float  #: seconds since 1970
    expires_at: float
    callback_url: str | None = None
    output: dict[str, str] = field(default_factory=dict)  #: {"format": "png" | "jpg" | "webp"}
    stock_route: bool = False  #: it came in over /sdapi/v1/…, so reply.json is written too
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        document = asdict(self) | {"kind": self.kind.value, "warnings": list(self.warnings)}
        document["job_id"] = document.pop("id")
        return document | {"created_at": to_iso(self.created_at), "expires_at": to_iso(self.expires_at)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Job:
        return cls(
            id=document["job_id"],
            kind=Kind(document["kind"]),
            payload=document["payload"],
            owner=document["owner"],
            endpoint=document["endpoint"],
            created_at=to_epoch(document["created_at"]),
            expires_at=to_epoch(document["expires_at"]),
            callback_url=document.get("callback_url"),
            output=document.get("output") or {},
            stock_route=bool(document.get("stock_route")),
            warnings=tuple(document.get("warnings") or ()),
        )


@dataclass(frozen=True)
class Attempt:
    """`attempts/{n}/queued.json`: the right to enqueue attempt n, and what came of it."""

    number: int
    queued_at: float
    failures: int = 0  #: attempts before this one that ended in a failure; a release is none
    invoked_at: float | None = None
    output_uri: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "attempt": self.number,
            "queued_at": to_iso(self.queued_at),
            "failures": self.failures,
            "invoked_at": None if self.invoked_at is None else to_iso(self.invoked_at),
            "output_uri": self.output_uri,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Attempt:
        invoked_at = document.get("invoked_at")
        return cls(
            document["attempt"],
            to_epoch(document["queued_at"]),
            document.get("failures", 0),
            to_epoch(invoked_at) if invoked_at else None,
            document.get("output_uri"),
        )


@dataclass(frozen=True)
class Progress:
    """`progress.json`: how far one run is. Written every 2 s, so it is the heartbeat too."""

    attempt: int
    run: str
    instance: str
    at: float
    drawing_since: float | None = None  #: None while it waits its turn in the container
    fraction: float = 0.0
    eta_s: float | None = None
    step: int = 0

    def to_json(self) -> dict[str, Any]:
        since = None if self.drawing_since is None else to_iso(self.drawing_since)
        return asdict(self) | {"at": to_iso(self.at), "drawing_since": since}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Progress:
        since = document.get("drawing_since")
        return cls(
            document["attempt"],
            document["run"],
            document["instance"],
            to_epoch(document["at"]),
            to_epoch(since) if since else None,
            document.get("fraction", 0.0),
            document.get("eta_s"),
            document.get("step", 0),
        )


@dataclass(frozen=True)
class Image:
    """One picture of a result."""

    key: str
    seed: int | None
    width: int
    height: int


@dataclass(frozen=True)
class Metrics:
    """Where the time and the money went."""

    queued_s: float | None = None
    drawing_s: float | None = None
    total_s: float | None = None
    cost_usd: float | None = None


@dataclass(frozen=True)
class Result:
    """`result.json`: how a job ended. Written once, by whoever gets there first."""

    job_id: str
    status: Status
    ended_at: float
    run: str | None = None
    images: tuple[Image, ...] = ()
    info: dict[str, Any] = field(default_factory=dict)  #: the webui's own `info`, parsed
    warnings: tuple[str, ...] = ()
    error: dict[str, Any] | None = None  #: {code, message, retryable}
    metrics: Metrics = Metrics()

    @classmethod
    def of_error(
        cls, job_id: str, error: PipelineError, ended_at: float, metrics: Metrics | None = None
    ) -> Result:
        """The ending that an error makes: canceled and expired are their own, all else is failed."""
        status = {"canceled": Status.CANCELED, "expired": Status.EXPIRED}.get(error.code, Status.FAILED)
        return cls(job_id, status, ended_at, error=error.to_json(), metrics=metrics or Metrics())

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {
            "status": self.status.value,
            "ended_at": to_iso(self.ended_at),
            "images": [asdict(image) for image in self.images],
            "warnings": list(self.warnings),
            "metrics": asdict(self.metrics),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Result:
        return cls(
            document["job_id"],
            Status(document["status"]),
            to_epoch(document["ended_at"]),
            document.get("run"),
            tuple(Image(**image) for image in document.get("images") or ()),
            document.get("info") or {},
            tuple(document.get("warnings") or ()),
            document.get("error"),
            Metrics(**document.get("metrics") or {}),
        )


@dataclass(frozen=True)
class JobFiles:
    """Which objects exist under one `jobs/{id}/`, by name below it: the job's whole state."""

    job_id: str
    sizes: Mapping[str, int]  #: name -> bytes
    modified: Mapping[str, float]  #: name -> seconds since 1970

    def has(self, key: str) -> bool:
        return key.removeprefix(keys.job(self.job_id)) in self.sizes

    @property
    def last_attempt(self) -> int:
        """The highest attempt that was ever queued, 0 when none was."""
        names = (f"{keys.job(self.job_id)}{name}" for name in self.sizes if name.endswith("/queued.json"))
        return max((keys.attempt_of(name) or 0 for name in names), default=0)


def status_of(files: JobFiles, progress: Progress | None, result: Result | None) -> Status:
    """Where the job is, from the objects that exist. An older attempt's progress says nothing of this one."""
    if result is not None:
        return result.status
    if progress is not None and progress.drawing_since is not None and progress.attempt >= files.last_attempt:
        return Status.PROCESSING
    return Status.QUEUED


_OWNER = re.compile(r"[A-Za-z0-9_-]{1,64}")


def owner_of(event: Mapping[str, Any], aliases: Mapping[str, str]) -> str:
    """Who calls, from a REST API proxy event: the API key's id, or the owner it is an alias of.

    aliases: API key id -> owner, so that a rotated key keeps its jobs.
    Raises NoOwner when the event names no usable key.
    """
    identity = (event.get("requestContext") or {}).get("identity") or {}
    key_id = identity.get("apiKeyId") or ""
    owner = aliases.get(key_id, key_id)
    if not _OWNER.fullmatch(owner):
        raise NoOwner("this route needs an API key in the header x-api-key")
    return owner


def sort_newest_first(entries: Iterable[keys.IndexKey]) -> list[keys.IndexKey]:
    """Index entries one per job, newest job first; an entry that knows the ending wins."""
    by_job: dict[str, keys.IndexKey] = {}
    for entry in entries:
        if entry.job_id not in by_job or entry.status:
            by_job[entry.job_id] = entry
    return sorted(by_job.values(), key=lambda entry: entry.job_id, reverse=True)
