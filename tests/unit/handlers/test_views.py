"""The job as clients see it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from handlers.views import job_view

from tests.unit.handlers.stage import Stage, open_stage
from webui_async.contract.errors import JobExpired
from webui_async.contract.job import Result

BASE = "https://api.example.com/v1"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with open_stage() as made:
        yield made


def test_a_queued_job_shows_how_many_are_before_it(stage: Stage) -> None:
    job = stage.accept()

    view = job_view(stage.world, job, stage.store.files(job.id), None, None, BASE, queue_ahead=3)

    assert view["status"] == "queued" and view["queue_ahead"] == 3 and view["attempt"] == 1
    assert view["images"] == [] and view["metrics"]["cost_usd"] is None
    assert view["urls"] == {
        "get": f"{BASE}/jobs/{job.id}",
        "wait": f"{BASE}/jobs/{job.id}/wait",
        "cancel": f"{BASE}/jobs/{job.id}/cancel",
    }
    assert view["output_uri"] == f"s3://bucket/jobs/{job.id}/result.json"
    assert "payload" not in view and "callback_url" not in view


def test_a_job_that_is_drawn_shows_its_progress(stage: Stage) -> None:
    job = stage.accept()
    stage.beat(job)

    view = job_view(
        stage.world, job, stage.store.files(job.id), stage.store.progress(job.id), None, BASE, queue_ahead=3
    )

    assert view["status"] == "processing" and view["progress"]["fraction"] == 0.0
    assert "queue_ahead" not in view


def test_an_ended_job_shows_links_metrics_and_every_warning_once(stage: Stage) -> None:
    job = stage.accept(warnings=("seed was -1", "slow"))
    result = stage.end(job, pictures=2)

    view = job_view(stage.world, job, stage.store.files(job.id), None, result, BASE)

    assert [image["seed"] for image in view["images"]] == [42, 43]
    assert all("X-Amz-Expires=3600" in image["url"] for image in view["images"])
    assert view["metrics"] == {"queued_s": 1.5, "drawing_s": 2.5, "total_s": 4.0, "cost_usd": 0.001}
    assert view["warnings"] == ["seed was -1", "slow"] and view["info"] == {"seed": 42}
    assert "cancel" not in view["urls"] and "error" not in view


def test_without_links_a_picture_is_reached_through_the_api(stage: Stage) -> None:
    job = stage.accept()
    result = stage.end(job, pictures=2)

    view = job_view(stage.world, job, stage.store.files(job.id), None, result, BASE, links=False)

    assert view["images"][1]["url"] == f"{BASE}/jobs/{job.id}/images/1"


def test_an_error_is_shown_as_the_result_has_it(stage: Stage) -> None:
    job = stage.accept()
    result = Result.of_error(job.id, JobExpired("2026-11-20T16:00:00.000Z"), stage.world.now())

    view = job_view(stage.world, job, stage.store.files(job.id), None, result, BASE)

    assert view["status"] == "expired"
    assert view["error"] == {
        "code": "expired",
        "message": str(JobExpired("2026-11-20T16:00:00.000Z")),
        "retryable": False,
    }
