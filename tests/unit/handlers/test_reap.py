"""reap: every accepted job ends, and nothing that lives is disturbed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from botocore.exceptions import ClientError
from handlers import reap as reap_module
from handlers.complete import complete
from handlers.reap import handler, reap

from tests.unit.handlers.stage import OWNER, Stage, open_stage, record_of, recorded
from webui_async.contract import keys
from webui_async.contract.job import Job, Status


@dataclass
class Context:
    """Lambda's, with a fixed time left."""

    left_ms: int = 240_000

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


@pytest.fixture
def stage() -> Iterator[Stage]:
    with open_stage() as made:
        yield made


def run(stage: Stage, after_s: float) -> dict[str, int]:
    stage.offset_s += after_s
    return reap(stage.world, Context())


def attempts(stage: Stage) -> list[str]:
    return [sent["CustomAttributes"] for sent in stage.runtime.invocations]


def ending(stage: Stage, job: Job) -> str | None:
    result = stage.store.result(job.id)
    return result.status.value if result else None


def test_an_ending_that_was_told_too_long_ago_is_told_again(stage: Stage) -> None:
    job = stage.accept()
    stage.end(job)

    assert run(stage, after_s=301) == {"completed_again": 1}
    (message,) = stage.take(stage.events_url)
    assert message == {"key": keys.result(job.id), "source": "reap"}

    complete(stage.world, record_of("sqs_reap", job.id))
    assert run(stage, after_s=0) == {}


def test_a_fresh_ending_is_left_to_complete(stage: Stage) -> None:
    stage.end(stage.accept())

    assert run(stage, after_s=200) == {"ended": 1}
    assert stage.take(stage.events_url) == []


def test_a_job_whose_heartbeat_stopped_is_tried_again(stage: Stage) -> None:
    job = stage.accept()
    stage.beat(job)

    assert run(stage, after_s=92) == {"retried": 1}
    attempt = stage.store.attempt(job.id, 2)
    assert attempt is not None and attempt.failures == 1 and attempts(stage) == ["attempt=2"]


def test_a_job_that_is_being_drawn_is_left_alone_even_past_its_time(stage: Stage) -> None:
    job = stage.accept(ttl_s=60)
    stage.beat(job)

    assert run(stage, after_s=80) == {"alive": 1}
    assert attempts(stage) == [] and ending(stage, job) is None


def test_an_old_heartbeat_of_an_earlier_attempt_says_nothing_of_the_one_that_waits(stage: Stage) -> None:
    job = stage.accept()
    stage.beat(job, attempt=1)
    stage.queue_attempt(job, 2, failures=1)

    assert run(stage, after_s=600) == {"waiting": 1}
    assert attempts(stage) == []


def test_two_runs_of_reap_make_one_further_attempt(stage: Stage) -> None:
    job = stage.accept()
    stage.beat(job)

    run(stage, after_s=92)
    assert run(stage, after_s=1) == {"waiting": 1}
    assert attempts(stage) == ["attempt=2"]


def test_a_release_whose_event_was_lost_is_seen_and_is_no_failure(stage: Stage) -> None:
    job = stage.accept()
    stage.beat(job)
    stage.release(job)

    assert run(stage, after_s=1) == {"retried": 1}
    attempt = stage.store.attempt(job.id, 2)
    assert attempt is not None and attempt.failures == 0


def test_a_third_vanished_attempt_ends_the_job(stage: Stage) -> None:
    job = stage.accept()
    stage.queue_attempt(job, 3, failures=2)
    stage.beat(job, attempt=3)

    assert run(stage, after_s=92) == {"ended": 1}
    assert ending(stage, job) == "failed" and attempts(stage) == []


def test_an_attempt_that_was_queued_and_not_invoked_is_invoked_under_its_own_number(stage: Stage) -> None:
    job = stage.accept_unqueued()
    stage.queue_attempt(job, 1, is_invoked=False)

    assert run(stage, after_s=100) == {"waiting": 1}
    assert run(stage, after_s=22) == {"invoked": 1}
    assert run(stage, after_s=0) == {"waiting": 1}
    assert attempts(stage) == ["attempt=1"]


def test_a_job_whose_submit_died_before_its_first_attempt_gets_one(stage: Stage) -> None:
    stage.accept_unqueued()

    assert run(stage, after_s=100) == {"arriving": 1}
    assert run(stage, after_s=22) == {"invoked": 1}
    assert attempts(stage) == ["attempt=1"]


def test_a_job_that_no_container_started_waits_until_its_time_is_over(stage: Stage) -> None:
    job = stage.accept(ttl_s=3600)

    assert run(stage, after_s=3500) == {"waiting": 1}
    assert run(stage, after_s=101) == {"expired": 1}
    result = stage.store.result(job.id)
    assert result is not None and result.status is Status.EXPIRED and attempts(stage) == []
    assert result.error is not None and result.error["code"] == "expired"


def test_a_lost_attempt_past_the_jobs_time_ends_it_as_expired(stage: Stage) -> None:
    job = stage.accept(ttl_s=60)
    stage.beat(job)

    assert run(stage, after_s=92) == {"ended": 1}
    assert ending(stage, job) == "expired"


def test_an_active_entry_without_a_job_is_forgotten_once_submit_must_be_dead(stage: Stage) -> None:
    job = stage.accept_unqueued()
    stage.store.delete(keys.request(job.id))

    assert run(stage, after_s=100) == {"arriving": 1}
    assert run(stage, after_s=22) == {"forgotten": 1}
    assert stage.keys_under("active/") == [] and stage.keys_under("index/") == []


def test_a_name_that_is_none_of_ours_is_left_where_it_is(stage: Stage) -> None:
    stage.store.put_mark("active/readme.txt")

    assert run(stage, after_s=9999) == {"unknown": 1}
    assert stage.keys_under("active/") == ["active/readme.txt"]


def test_one_job_that_cannot_be_dealt_with_does_not_stop_the_others(stage: Stage) -> None:
    broken, whole = stage.accept(), stage.accept(ttl_s=60)
    stage.store.put_bytes(keys.request(broken.id), b"half a docu", "application/json")

    assert run(stage, after_s=130) == {"failed": 1, "expired": 1}
    assert ending(stage, whole) == "expired"


def test_an_endpoint_that_refuses_leaves_the_job_until_its_time_is_over(stage: Stage) -> None:
    job = stage.accept_unqueued(ttl_s=600)
    stage.queue_attempt(job, 1, is_invoked=False)
    stage.runtime.error = ClientError({"Error": {"Code": "ValidationException"}}, "InvokeEndpointAsync")

    assert run(stage, after_s=130) == {"failed": 1}
    assert run(stage, after_s=600) == {"expired": 1}


def test_no_job_is_begun_when_the_functions_time_is_nearly_over_and_the_oldest_came_first(
    stage: Stage,
) -> None:
    oldest = stage.accept(keys.new_job_id(1_763_000_000, b"a" * 10), ttl_s=60)
    newest = stage.accept(keys.new_job_id(1_763_000_999, b"b" * 10), ttl_s=60)
    stage.offset_s = 61
    times = iter([240_000, 14_000])
    context = Context()
    context.get_remaining_time_in_millis = lambda: next(times)  # type: ignore[method-assign]

    assert reap(stage.world, context) == {"expired": 1, "out_of_time": 1}
    assert ending(stage, oldest) == "expired" and ending(stage, newest) is None


def test_each_job_costs_one_list(stage: Stage) -> None:
    for _ in range(3):
        stage.beat(stage.accept())
    lists: list[str] = []
    stage.s3.meta.events.register(
        "before-parameter-build.s3.ListObjectsV2", lambda params, **_: lists.append(params["Prefix"])
    )

    assert run(stage, after_s=1) == {"alive": 3}
    assert len(lists) == 4 and lists[0] == "active/"


def test_the_handler_gives_the_counts(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.accept()
    monkeypatch.setattr(reap_module, "wiring", lambda: stage.world)

    assert handler(recorded("schedule"), Context()) == {"waiting": 1}
    assert OWNER in stage.keys_under("active/")[0]
