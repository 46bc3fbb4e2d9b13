"""Every S3 key, and the way back from a key to its job.

A key has no bucket and no leading slash. Job ids are UUIDv7 text, so keys that start with one sort by time.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass

JOBS = "jobs/"
ACTIVE = "active/"
UPLOADS = "uploads/"
MODELS = "models/"
PACKS = "packs/"
CATALOGS = "catalog/"

#: The last 48-bit millisecond, so that `LAST_MS - ms` sorts newest first.
LAST_MS = (1 << 48) - 1
_JOB_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_UPLOAD_ID = re.compile(r"[0-9a-f]{32}")
_JOB_KEY = re.compile(rf"jobs/({_JOB_ID.pattern})/(.+)")
_ATTEMPT_KEY = re.compile(r"attempts/(\d+)/(queued|released)\.json")
_MODEL_KEY = re.compile(r"models/([^/]+)/([^/]+)")


def new_job_id(epoch_s: float, random: bytes) -> str:
    """A UUIDv7 for a job accepted at `epoch_s`; `random` is 10 random bytes. Source: RFC 9562, 5.7."""
    value = (int(epoch_s * 1000) & LAST_MS) << 80 | int.from_bytes(random[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


def is_job_id(text: str) -> bool:
    """Whether `text` is one of our job ids, in the one form in which we write them."""
    return _JOB_ID.fullmatch(text) is not None


def is_upload_id(text: str) -> bool:
    """Whether `text` is one of our upload ids."""
    return _UPLOAD_ID.fullmatch(text) is not None


def created_ms(job_id: str) -> int:
    """The millisecond in which the job was accepted."""
    return uuid.UUID(job_id).int >> 80


def job(job_id: str) -> str:
    """The prefix under which everything of one job lies."""
    return f"{JOBS}{job_id}/"


def request(job_id: str) -> str:
    return f"{job(job_id)}request.json"


def attempts(job_id: str) -> str:
    return f"{job(job_id)}attempts/"


def queued(job_id: str, attempt: int) -> str:
    return f"{attempts(job_id)}{attempt}/queued.json"


def released(job_id: str, attempt: int) -> str:
    return f"{attempts(job_id)}{attempt}/released.json"


def progress(job_id: str) -> str:
    return f"{job(job_id)}progress.json"


def runs(job_id: str) -> str:
    return f"{job(job_id)}runs/"


def picture(job_id: str, run: str, number: int, image_format: str) -> str:
    return f"{runs(job_id)}{run}/{number}.{image_format}"


def reply(job_id: str) -> str:
    return f"{job(job_id)}reply.json"


def result(job_id: str) -> str:
    return f"{job(job_id)}result.json"


def cancel(job_id: str) -> str:
    return f"{job(job_id)}cancel.json"


def deleted(job_id: str) -> str:
    return f"{job(job_id)}deleted.json"


def callback(job_id: str) -> str:
    return f"{job(job_id)}callback.json"


def active(job_id: str, owner: str) -> str:
    return f"{ACTIVE}{job_id}.{owner}"


def index_prefix(owner: str) -> str:
    return f"index/{owner}/"


def index(job_id: str, owner: str) -> str:
    return f"{index_prefix(owner)}{LAST_MS - created_ms(job_id):015d}-{job_id}"


def index_status(job_id: str, owner: str, kind: str, status: str) -> str:
    return f"{index(job_id, owner)}.{kind}.{status}"


def idempotency(owner: str, key: str) -> str:
    return f"idempotency/{owner}/{hashlib.sha256(key.encode()).hexdigest()}"


def upload(owner: str, upload_id: str) -> str:
    return f"{UPLOADS}{owner}/{upload_id}"


def catalog(endpoint: str) -> str:
    return f"{CATALOGS}{endpoint}.json"


def model(folder: str, file_name: str) -> str:
    return f"{MODELS}{folder}/{file_name}"


def pack_versions(name: str) -> str:
    """The prefix under which every version of a model pack lies."""
    return f"{PACKS}{name}/"


def pack(name: str, version: str) -> str:
    return f"{pack_versions(name)}{version}/"


def job_id_of(key: str) -> str | None:
    """The job that a key under `jobs/`, `active/` or `index/` belongs to; None for any other key."""
    if match := _JOB_KEY.fullmatch(key):
        return match[1]
    if key.startswith((ACTIVE, "index/")) and (found := _JOB_ID.search(key)):
        return found[0]
    return None


def attempt_of(key: str) -> int | None:
    """The attempt that an `attempts/` key speaks of; None for any other key."""
    match = _JOB_KEY.fullmatch(key)
    attempt = _ATTEMPT_KEY.fullmatch(match[2]) if match else None
    return int(attempt[1]) if attempt else None


@dataclass(frozen=True)
class ModelKey:
    """What the name of an object under `models/` says."""

    folder: str
    file_name: str


def parse_model(key: str) -> ModelKey | None:
    """The folder and the file named by a key under `models/`; None when it does not lie right in a folder."""
    match = _MODEL_KEY.fullmatch(key)
    return ModelKey(*match.groups()) if match else None


@dataclass(frozen=True)
class ActiveKey:
    """What the name of an object under `active/` says."""

    job_id: str
    owner: str


def parse_active(key: str) -> ActiveKey | None:
    """The job and owner named by a key under `active/`; None when it is not one of ours."""
    job_id, dot, owner = key.removeprefix(ACTIVE).partition(".")
    return ActiveKey(job_id, owner) if dot and owner and is_job_id(job_id) else None


@dataclass(frozen=True)
class IndexKey:
    """What the name of an object under `index/` says. kind and status are None until the job has ended."""

    job_id: str
    kind: str | None
    status: str | None


def parse_index(key: str) -> IndexKey | None:
    """The job, and once it ended its kind and status, named by a key under `index/`."""
    name = key.rpartition("/")[2]
    parts = name[16:].split(".")
    if not is_job_id(parts[0]) or len(parts) not in (1, 3):
        return None
    return IndexKey(parts[0], *(parts[1:] or (None, None)))
