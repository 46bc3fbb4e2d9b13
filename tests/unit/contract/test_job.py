"""The job's documents, its state out of the objects that exist, and whose it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from webui_async.contract import keys
from webui_async.contract.errors import EngineDied, JobCanceled, JobExpired, NoOwner
from webui_async.contract.job import (
    Attempt,
    Image,
    Job,
    JobFiles,
    Metrics,
    Progress,
    Result,
    Status,
    owner_of,
    sort_newest_first,
    status_of,
)
from webui_async.contract.payload import Kind
from webui_async.contract.times import to_epoch, to_iso

JOB_ID = "01948f3e-7a10-7cc1-9b5e-3f0a6c2d8e41"
NOW = 1_700_000_000.123


def test_every_document_is_read_back_as_it_was_written() -> None:
    whole = [
        Job(
            JOB_ID,
            Kind.EXTRA_BATCH,
            {"x": 1},
            "o",
            "e",
            NOW,
            NOW + 60,
            "https://a/",
            {"format": "png"},
            True,
            ("w",),
        ),
        Job(JOB_ID, Kind.TXT2IMG, {}, "o", "e", NOW, NOW + 60),
        Attempt(3, NOW, 2, NOW + 1, "s3://b/o.out"),
        Attempt(1, NOW),
        Progress(2, "0a1b2c3d", "host", NOW, NOW - 1, 0.5, 3.0, 7),
        Progress(2, "0a1b2c3d", "host", NOW),
        Result(
            JOB_ID,
            Status.SUCCEEDED,
            NOW,
            "0a1b2c3d",
            (Image("k", 7, 8, 8),),
            {"seed": 7},
            ("w",),
            None,
            Metrics(1, 2, 3, 4),
        ),
        Result(JOB_ID, Status.FAILED, NOW, error={"code": "x", "message": "y", "retryable": False}),
    ]
    for document in whole:
        text = json.dumps(document.to_json(), allow_nan=False)
        assert type(document).from_json(json.loads(text)) == document


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (JobCanceled("x"), Status.CANCELED),
        (JobExpired("x"), Status.EXPIRED),
        (EngineDied("x"), Status.FAILED),
    ],
)
def test_canceled_and_expired_are_endings_of_their_own(error: Any, status: Status) -> None:
    result = Result.of_error(JOB_ID, error, NOW)
    assert result.status is status
    assert result.error == {"code": error.code, "message": str(error), "retryable": error.retryable}


def test_four_statuses_are_endings() -> None:
    assert [status.value for status in Status if not status.is_ending] == ["queued", "processing"]


def files(*names: str) -> JobFiles:
    return JobFiles(JOB_ID, dict.fromkeys(names, 1), dict.fromkeys(names, NOW))


def test_the_last_attempt_is_the_highest_that_was_queued() -> None:
    assert files("request.json").last_attempt == 0
    names = [f"attempts/{number}/queued.json" for number in (1, 2, 9, 10)]
    assert files(*names, "attempts/11/released.json").last_attempt == 10


@pytest.mark.parametrize(
    ("progress", "ended", "status"),
    [
        (None, False, Status.QUEUED),
        (Progress(2, "r", "h", NOW), False, Status.QUEUED),
        (Progress(2, "r", "h", NOW, NOW), False, Status.PROCESSING),
        (Progress(1, "r", "h", NOW, NOW), False, Status.QUEUED),
        (Progress(2, "r", "h", NOW, NOW), True, Status.FAILED),
        (None, True, Status.FAILED),
    ],
    ids=[
        "nothing",
        "waits in the container",
        "draws",
        "drew in an older attempt",
        "ended",
        "ended before drawing",
    ],
)
def test_where_a_job_is(progress: Progress | None, ended: bool, status: Status) -> None:
    result = Result(JOB_ID, Status.FAILED, NOW) if ended else None
    assert status_of(files("attempts/2/queued.json"), progress, result) is status


def test_files_are_asked_for_by_key() -> None:
    assert files("result.json").has(keys.result(JOB_ID))
    assert not files("result.json").has(keys.cancel(JOB_ID))


def event(key_id: Any) -> dict[str, Any]:
    return {"requestContext": {"identity": {"apiKeyId": key_id}}}


def test_the_owner_is_the_api_key_or_whom_it_stands_for() -> None:
    assert owner_of(event("a1b2c3"), {}) == "a1b2c3"
    assert owner_of(event("new"), {"new": "a1b2c3"}) == "a1b2c3"


@pytest.mark.parametrize("key_id", [None, "", "a/b", "../x", "a.b", "x" * 65, "a b", "a\n"])
def test_a_call_without_a_usable_key_has_no_owner(key_id: Any) -> None:
    with pytest.raises(NoOwner, match="x-api-key"):
        owner_of(event(key_id), {})


@pytest.mark.parametrize("broken", [{}, {"requestContext": None}, {"requestContext": {"identity": None}}])
def test_an_event_without_identity_has_no_owner(broken: dict[str, Any]) -> None:
    with pytest.raises(NoOwner):
        owner_of(broken, {})


def test_entries_are_sorted_newest_first_one_per_job() -> None:
    ids = [keys.new_job_id(NOW + i, bytes(10)) for i in range(3)]
    plain = [keys.IndexKey(job_id, None, None) for job_id in ids]
    ended = keys.IndexKey(ids[1], "txt2img", "failed")
    for entries in ([*plain, ended], [ended, *plain]):
        assert sort_newest_first(entries) == [plain[2], ended, plain[0]]


@pytest.mark.parametrize(
    "epoch", [0.0, 1_700_000_000.0, 1_700_000_000.999, 1_700_000_000.001, 4_102_444_799.5]
)
def test_times_are_written_in_utc_with_milliseconds(epoch: float) -> None:
    assert to_iso(epoch).endswith("Z")
    assert to_epoch(to_iso(epoch)) == pytest.approx(epoch, abs=1e-6)
