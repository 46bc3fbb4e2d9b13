"""GET /jobs: the caller's jobs, newest first, out of the names under index/."""

from __future__ import annotations

import base64
import binascii
import itertools
from collections.abc import Iterator
from typing import Any

from aws_lambda_powertools.event_handler import Response

from handlers import http
from handlers.hold import held_until
from handlers.http import Call
from handlers.wiring import Wiring
from webui_async.contract import keys
from webui_async.contract.errors import InvalidPayload
from webui_async.contract.job import DEFAULT_LIMIT, MAX_LIMIT, Status, sort_newest_first, status_of
from webui_async.contract.keys import IndexKey
from webui_async.contract.times import to_iso

#: Jobs that one call looks at for a status; what is left over is for the next page.
MAX_LOOKS = 500


def list_jobs(world: Wiring, call: Call) -> Response[str]:
    """GET /jobs?limit&cursor&status: a page of jobs and the cursor of the next one.

    A page is shorter than its limit when looking for more would take too long.
    """
    owner, limit, wanted = call.owner(world), _read_limit(call), _read_status(call)
    until = held_until(world, call)
    jobs: list[dict[str, Any]] = []
    last, entries = "", _entries(world, owner, _read_cursor(call))
    for entry in itertools.islice(entries, MAX_LOOKS):
        last, line = entry.job_id, _line(world, call, entry)
        if line is not None and wanted in (None, line["status"]):
            jobs.append(line)
        if len(jobs) == limit or world.now() >= until:
            break
    is_more = next(entries, None) is not None
    return http.answer(200, {"jobs": jobs, "next_cursor": _cursor(last) if is_more else None})


def _entries(world: Wiring, owner: str, after_job: str | None) -> Iterator[IndexKey]:
    """One entry per job, newest first: the one that knows the ending where there is one."""
    prefix = keys.index_prefix(owner)
    # `/` sorts right after the `.` of the entry that knows the ending.
    after = f"{keys.index(after_job, owner)}/" if after_job else ""
    found = (keys.parse_index(entry.key) for entry in world.store.list(prefix, after))
    named = (entry for entry in found if entry is not None)
    for _, group in itertools.groupby(named, key=lambda entry: entry.job_id):
        yield sort_newest_first(group)[0]


def _line(world: Wiring, call: Call, entry: IndexKey) -> dict[str, Any] | None:
    """One job of the page; None for an entry whose job is not there, or not yet."""
    kind, status = entry.kind, entry.status
    if kind is None or status is None:
        files = world.store.files(entry.job_id)
        job = world.store.job(entry.job_id) if files.has(keys.request(entry.job_id)) else None
        if job is None or files.has(keys.deleted(entry.job_id)):
            return None
        result = world.store.result(job.id) if files.has(keys.result(job.id)) else None
        progress = world.store.progress(job.id) if files.has(keys.progress(job.id)) else None
        kind, status = job.kind.value, status_of(files, progress, result).value
    return {
        "id": entry.job_id,
        "kind": kind,
        "status": status,
        "created_at": to_iso(keys.created_ms(entry.job_id) / 1000),
        "urls": {"get": f"{call.base_url}/jobs/{entry.job_id}"},
    }


def _read_limit(call: Call) -> int:
    text = call.query("limit") or str(DEFAULT_LIMIT)
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_LIMIT):
        raise InvalidPayload("limit", text, f"it must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _read_status(call: Call) -> str | None:
    status = call.query("status")
    if status is not None and status not in {known.value for known in Status}:
        raise InvalidPayload("status", status, f"it must be {' or '.join(known.value for known in Status)}")
    return status


def _cursor(job_id: str) -> str:
    return base64.urlsafe_b64encode(job_id.encode()).decode()


def _read_cursor(call: Call) -> str | None:
    text = call.query("cursor")
    if not text:
        return None
    try:
        job_id = base64.urlsafe_b64decode(text).decode()
    except (binascii.Error, ValueError):
        job_id = ""
    if not keys.is_job_id(job_id):
        raise InvalidPayload("cursor", text, "it must be the next_cursor of the page before")
    return job_id
