"""api: status, waiting, pictures, cancel, delete, lists, uploads, models, png-info, docs."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from handlers import listing

from tests.unit.handlers.front import CATALOG, PNG, Front
from tests.unit.handlers.stage import OWNER, Killed, open_stage
from webui_async.contract import keys
from webui_async.contract.catalog import ROUTES as STOCK_LISTS
from webui_async.contract.catalog import Facts, with_facts
from webui_async.contract.job import Job, JobFiles, Progress, Status

JOB = {"kind": "txt2img", "payload": {"prompt": "a red boat"}}
UPLOAD = "0123456789abcdef0123456789abcdef"
RECORDING = Path(__file__).resolve().parents[2] / "contract" / "recordings" / "stock_webui" / "png_info.json"


@pytest.fixture
def front() -> Iterator[Front]:
    with open_stage() as stage:
        yield Front(stage)


@pytest.fixture
def job(front: Front) -> Job:
    return front.stage.accept()


def draw(front: Front, job: Job) -> None:
    front.stage.beat(job)


def told(front: Front, job: Job) -> None:
    """complete is done with the job."""
    result = front.stage.store.result(job.id)
    assert result is not None
    front.stage.store.put_mark(keys.index_status(job.id, job.owner, job.kind.value, result.status.value))
    front.stage.store.delete(keys.active(job.id, job.owner))


# Status -----------------------------------------------------------------------------------------------------


def test_a_queued_job_says_how_many_are_ahead(front: Front) -> None:
    front.stage.accept()
    second = front.stage.accept()
    answer = front.call("GET", f"/jobs/{second.id}")
    assert (answer.status, answer.json["status"], answer.json["queue_ahead"]) == (200, "queued", 1)
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_job_that_waits_in_the_container_is_still_queued(front: Front, job: Job) -> None:
    progress = Progress(1, "0a1b2c3d", "host-1", front.clock)
    front.stage.store.put_json(keys.progress(job.id), progress.to_json())
    assert front.call("GET", f"/jobs/{job.id}").json["status"] == "queued"


def test_a_drawing_job_has_progress(front: Front, job: Job) -> None:
    draw(front, job)
    document = front.call("GET", f"/jobs/{job.id}").json
    assert document["status"] == "processing"
    assert document["progress"]["fraction"] == 0.0
    assert "queue_ahead" not in document


def test_an_ended_job_has_fresh_links_to_its_pictures(front: Front, job: Job) -> None:
    front.stage.end(job, pictures=2)
    document = front.call("GET", f"/jobs/{job.id}").json
    assert document["status"] == "succeeded"
    assert [image["seed"] for image in document["images"]] == [42, 43]
    assert "X-Amz-Signature" in document["images"][0]["url"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/wait"), ("GET", "/images/0"), ("POST", "/cancel"), ("DELETE", "")],
)
@pytest.mark.parametrize("who", ["another owner", "no such job", "no id"])
def test_a_job_that_is_not_ones_own_is_unknown(
    front: Front, job: Job, method: str, path: str, who: str
) -> None:
    job_id = {"another owner": job.id, "no such job": job.id[:-1] + "0", "no id": "j-7"}[who]
    if who == "no such job" and job_id == job.id:
        job_id = job.id[:-1] + "1"
    front.stage.end(job)
    before = front.all_keys()
    answer = front.call(method, f"/jobs/{job_id}{path}", owner="owner-2")
    assert (answer.status, answer.code) == (404, "unknown_job")
    assert front.all_keys() == before


# Waiting ----------------------------------------------------------------------------------------------------


def test_wait_answers_with_the_job_when_it_ends(front: Front, job: Job) -> None:
    front.while_held = [lambda: None, lambda: front.stage.end(job)]
    answer = front.call("GET", f"/jobs/{job.id}/wait")
    assert (answer.status, answer.json["status"]) == (200, "succeeded")


def test_wait_sends_the_caller_to_itself_when_the_line_is_let_go(front: Front, job: Job) -> None:
    started = front.clock
    answer = front.call("GET", f"/jobs/{job.id}/wait")
    assert answer.status == 303
    assert answer.headers["Location"].endswith(f"/v1/jobs/{job.id}/wait")
    assert 24.9 <= front.clock - started <= 25.1


def test_wait_for_a_stock_job_gives_the_stock_answer(front: Front) -> None:
    job = front.stage.accept(stock_route=True)
    front.stage.store.put_json(keys.reply(job.id), {"images": [PNG]})
    front.stage.end(job)
    assert front.call("GET", f"/jobs/{job.id}/wait").json == {"images": [PNG]}


def test_wait_for_a_failed_job_that_is_no_stock_job_gives_its_document(front: Front, job: Job) -> None:
    front.stage.end(job, Status.FAILED)
    answer = front.call("GET", f"/jobs/{job.id}/wait")
    assert (answer.status, answer.json["status"]) == (200, "failed")


# Pictures ---------------------------------------------------------------------------------------------------


def test_an_image_is_a_redirect_to_a_fresh_link(front: Front, job: Job) -> None:
    front.stage.end(job, pictures=2)
    answer = front.call("GET", f"/jobs/{job.id}/images/1")
    assert answer.status == 302
    assert "/1.png?" in answer.headers["Location"]


@pytest.mark.parametrize("number", ["2", "-1", "x", "1.0", "\u0661", "99999999999"])
def test_an_image_that_is_not_there_is_unknown(front: Front, job: Job, number: str) -> None:
    front.stage.end(job, pictures=2)
    answer = front.call("GET", f"/jobs/{job.id}/images/{number}")
    assert answer.status == 404
    assert answer.code in ("unknown_image", "unknown_route")


def test_a_job_that_has_not_ended_has_no_image(front: Front, job: Job) -> None:
    assert front.call("GET", f"/jobs/{job.id}/images/0").code == "unknown_image"


# Cancel -----------------------------------------------------------------------------------------------------


def test_a_job_that_is_not_drawn_is_canceled_at_once(front: Front, job: Job) -> None:
    answer = front.call("POST", f"/jobs/{job.id}/cancel")
    assert (answer.status, answer.json["status"], answer.json["error"]["code"]) == (
        200,
        "canceled",
        "canceled",
    )
    result = front.stage.store.result(job.id)
    assert result is not None
    assert result.metrics.cost_usd == 0.0


def test_a_drawing_job_is_asked_to_stop(front: Front, job: Job) -> None:
    draw(front, job)
    answer = front.call("POST", f"/jobs/{job.id}/cancel")
    assert (answer.status, answer.json["status"]) == (202, "processing")
    assert front.stage.store.exists(keys.cancel(job.id))
    assert front.stage.store.result(job.id) is None


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED, Status.CANCELED, Status.EXPIRED])
def test_an_ended_job_cannot_be_canceled(front: Front, job: Job, status: Status) -> None:
    front.stage.end(job, status)
    before = front.all_keys()
    answer = front.call("POST", f"/jobs/{job.id}/cancel")
    assert (answer.status, answer.code, answer.json["job_status"]) == (409, "job_ended", status.value)
    assert front.all_keys() == before


def test_an_ending_that_comes_between_look_and_cancel_stands(front: Front, job: Job) -> None:
    store = front.wiring.store
    put_json = store.put_json

    def ends_first(key: str, document: dict[str, Any], if_absent: bool = False) -> bool:
        if key == keys.cancel(job.id):
            front.stage.end(job)
        return put_json(key, document, if_absent)

    store.put_json = ends_first  # type: ignore[method-assign]
    answer = front.call("POST", f"/jobs/{job.id}/cancel")
    assert (answer.status, answer.json["job_status"]) == (409, "succeeded")


# Delete -----------------------------------------------------------------------------------------------------


def full_job(front: Front) -> Job:
    """An ended job with everything that a job can have."""
    job = front.stage.accept(stock_route=True)
    front.stage.store.put_bytes(keys.upload(OWNER, UPLOAD), b"x", "image/png")
    document = job.to_json() | {"payload": {"init_images": [f"upload:{UPLOAD}"]}}
    front.stage.store.put_json(keys.request(job.id), document)
    front.stage.beat(job)
    front.stage.store.put_bytes(keys.picture(job.id, "0a1b2c3d", 0, "png"), b"x", "image/png")
    front.stage.store.put_json(keys.reply(job.id), {})
    front.stage.end(job)
    told(front, job)
    return job


def test_delete_removes_pictures_inputs_and_listing_and_keeps_the_tombstones(front: Front) -> None:
    job = full_job(front)
    answer = front.call("DELETE", f"/jobs/{job.id}")
    assert (answer.status, answer.body) == (204, "")
    assert front.all_keys() == [keys.queued(job.id, 1), keys.deleted(job.id), keys.result(job.id)]
    assert front.stage.keys_under("uploads/") == []
    tombstone = front.stage.store.get_json(keys.deleted(job.id))
    assert tombstone is not None
    assert (tombstone["owner"], tombstone["kind"]) == (OWNER, "txt2img")


def test_a_deleted_job_is_gone_for_its_owner_and_unknown_to_others(front: Front) -> None:
    job = full_job(front)
    front.call("DELETE", f"/jobs/{job.id}")
    for method, path in (("GET", ""), ("GET", "/wait"), ("GET", "/images/0"), ("POST", "/cancel")):
        answer = front.call(method, f"/jobs/{job.id}{path}")
        assert (answer.status, answer.code, answer.json["job_id"]) == (410, "job_deleted", job.id)
    assert front.call("GET", f"/jobs/{job.id}", owner="owner-2").code == "unknown_job"
    assert front.call("DELETE", f"/jobs/{job.id}", owner="owner-2").code == "unknown_job"
    assert front.call("DELETE", f"/jobs/{job.id}").status == 204


def test_a_job_that_has_not_ended_cannot_be_deleted(front: Front, job: Job) -> None:
    before = front.all_keys()
    answer = front.call("DELETE", f"/jobs/{job.id}")
    assert (answer.status, answer.code) == (409, "job_not_ended")
    assert front.all_keys() == before


def test_delete_waits_until_the_ending_was_told(front: Front, job: Job) -> None:
    front.stage.end(job)
    front.while_held = [lambda: None, lambda: told(front, job)]
    assert front.call("DELETE", f"/jobs/{job.id}").status == 204
    assert front.stage.keys_under("index/") == []


def test_delete_of_an_ending_that_nobody_tells_is_refused(front: Front, job: Job) -> None:
    front.stage.end(job)
    answer = front.call("DELETE", f"/jobs/{job.id}")
    assert (answer.status, answer.code) == (409, "job_not_ended")
    assert "still being told" in answer.detail
    assert not front.stage.store.exists(keys.deleted(job.id))


@pytest.mark.parametrize("number", range(8))
def test_after_a_crash_between_two_deletes_a_repeat_removes_the_rest(front: Front, number: int) -> None:
    job = full_job(front)
    with front.stage.killed_before_write(number):
        front.call("DELETE", f"/jobs/{job.id}")
        raise Killed
    assert front.call("DELETE", f"/jobs/{job.id}").status == 204
    assert front.all_keys() == [keys.queued(job.id, 1), keys.deleted(job.id), keys.result(job.id)]
    assert front.stage.keys_under("uploads/") == []


# Lists ------------------------------------------------------------------------------------------------------


def page(front: Front, **query: str) -> tuple[list[str], str | None]:
    answer = front.call("GET", "/jobs", query=query or None)
    assert answer.status == 200, answer
    return [job["id"] for job in answer.json["jobs"]], answer.json["next_cursor"]


def test_jobs_are_listed_newest_first_page_by_page(front: Front) -> None:
    jobs = [front.stage.accept(keys.new_job_id(front.clock + i, bytes(10))) for i in range(5)]
    for job in jobs[:3]:
        front.stage.end(job)
        told(front, job)
    newest_first = [job.id for job in reversed(jobs)]
    assert page(front) == (newest_first, None)
    ids, cursor = page(front, limit="2")
    assert ids == newest_first[:2]
    assert cursor is not None
    ids, cursor = page(front, limit="2", cursor=cursor)
    assert ids == newest_first[2:4]
    assert cursor is not None
    assert page(front, limit="2", cursor=cursor) == (newest_first[4:], None)


def test_a_page_shows_where_each_job_is(front: Front) -> None:
    jobs = [front.stage.accept(keys.new_job_id(front.clock + i, bytes(10))) for i in range(4)]
    draw(front, jobs[1])
    front.stage.end(jobs[2], Status.FAILED)
    front.stage.end(jobs[3])
    told(front, jobs[3])
    lines = front.call("GET", "/jobs").json["jobs"]
    assert [line["status"] for line in lines] == ["succeeded", "failed", "processing", "queued"]
    assert {line["kind"] for line in lines} == {"txt2img"}
    assert lines[0]["urls"]["get"].endswith(f"/v1/jobs/{jobs[3].id}")


def test_jobs_are_filtered_by_status(front: Front) -> None:
    jobs = [front.stage.accept(keys.new_job_id(front.clock + i, bytes(10))) for i in range(4)]
    for job in jobs[:2]:
        front.stage.end(job)
        told(front, job)
    assert page(front, status="queued")[0] == [jobs[3].id, jobs[2].id]
    ids, cursor = page(front, status="succeeded", limit="1")
    assert ids == [jobs[1].id]
    assert cursor is not None
    assert page(front, status="succeeded", limit="1", cursor=cursor) == ([jobs[0].id], None)


def test_a_page_looks_at_a_bounded_number_of_jobs(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [front.stage.accept(keys.new_job_id(front.clock + i, bytes(10))) for i in range(3)]
    monkeypatch.setattr(listing, "MAX_LOOKS", 2)
    ids, cursor = page(front, status="queued")
    assert ids == [jobs[2].id, jobs[1].id]
    assert cursor is not None
    assert page(front, status="failed", cursor=cursor) == ([], None)


def test_a_page_that_takes_too_long_is_cut_short(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [front.stage.accept(keys.new_job_id(front.clock + i, bytes(10))) for i in range(3)]
    look = front.wiring.store.files

    def slow_look(job_id: str) -> JobFiles:
        front.clock += 15
        return look(job_id)

    monkeypatch.setattr(front.wiring.store, "files", slow_look)
    ids, cursor = page(front, status="queued")
    assert ids == [jobs[2].id, jobs[1].id]
    assert page(front, status="queued", cursor=cursor or "")[0] == [jobs[0].id]


def test_another_owners_jobs_are_not_listed(front: Front, job: Job) -> None:
    assert front.call("GET", "/jobs", owner="owner-2").json == {"jobs": [], "next_cursor": None}


def test_an_entry_without_a_job_is_not_listed(front: Front, job: Job) -> None:
    front.stage.store.delete(keys.request(job.id))
    assert page(front) == ([], None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"), ("limit", "101"), ("limit", "x"), ("limit", "1e1"), ("limit", "\u0661"),
        ("status", "done"), ("cursor", "nonsense"), ("cursor", "caf\u00e9"),
        ("cursor", base64.b64encode(b"../x").decode()),
    ],
)  # fmt: skip
def test_a_bad_query_is_refused_by_name(front: Front, name: str, value: str) -> None:
    answer = front.call("GET", "/jobs", query={name: value})
    assert (answer.status, answer.code) == (422, "invalid_payload")
    assert answer.detail.startswith(f"{name} is ")


# Uploads ----------------------------------------------------------------------------------------------------


def test_an_upload_is_a_link_that_takes_just_that_file(front: Front) -> None:
    answer = front.call("POST", "/uploads", {"size_bytes": 7, "content_type": "image/png"})
    document = answer.json
    assert answer.status == 201
    assert document["id"] == f"upload:{document['upload_id']}"
    assert document["method"] == "PUT"
    assert document["headers"] == {"Content-Type": "image/png", "Content-Length": "7"}
    url = urllib.parse.urlsplit(document["url"])
    assert url.path.endswith(f"uploads/{OWNER}/{document['upload_id']}")
    assert urllib.parse.parse_qs(url.query)["X-Amz-SignedHeaders"] == ["content-length;content-type;host"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"content_type": "image/png"}, "size_bytes is null"),
        ({"size_bytes": 0, "content_type": "image/png"}, "size_bytes is 0"),
        ({"size_bytes": True, "content_type": "image/png"}, "size_bytes is true"),
        ({"size_bytes": 64_000_001, "content_type": "image/png"}, "size_bytes is 64000001"),
        ({"size_bytes": 1, "content_type": "text/html"}, 'content_type is "text/html"'),
        ({"size_bytes": 1, "content_type": []}, "content_type is []"),
        ({"size_bytes": 1, "content_type": "image/png", "name": "x"}, "name is not accepted"),
    ],
)
def test_a_bad_upload_is_refused_by_name(front: Front, body: dict[str, Any], named: str) -> None:
    answer = front.call("POST", "/uploads", body)
    assert answer.status == 422
    assert named in answer.detail


# Models -----------------------------------------------------------------------------------------------------


def test_models_are_the_catalogs_weight_files(front: Front) -> None:
    front.put_catalog()
    document = front.call("GET", "/models").json
    assert document["default_checkpoint"] == "ink.safetensors [0123456789]"
    known = {"on_demand": False, "family": None}
    assert document["checkpoints"] == [
        {
            "name": "ink",
            "type": "checkpoint",
            "title": "ink.safetensors [0123456789]",
            "hash": "0123456789",
            "sha256": "01" * 32,
        }
        | known
    ]
    unhashed = {"hash": None, "sha256": None} | known
    assert document["loras"] == [{"name": "boats", "type": "LoRA", "alias": "Boats"} | unhashed]
    controlnet = {"name": "canny", "type": "ControlNet model"} | unhashed | {"hash": "abcd1234"}
    assert document["controlnet"] == [controlnet]
    assert document["vaes"] == document["embeddings"] == []


def test_models_tell_family_and_hash_and_what_is_on_demand_as_far_as_the_catalog_does(front: Front) -> None:
    boats = Facts("SDXL", "89abcdef0123", "23" * 32, on_demand=True)
    held = with_facts(CATALOG, {("loras", "boats"): boats, ("sd-models", "ink"): Facts("SD1", "other")})
    front.put_catalog(held)
    document = front.call("GET", "/models").json
    assert document["loras"] == [{"name": "boats", "type": "LoRA", "alias": "Boats"} | asdict(boats)]
    (checkpoint,) = document["checkpoints"]
    assert checkpoint["family"] == "SD1" and checkpoint["hash"] == "0123456789", "the engine knows better"
    assert front.call("GET", "/sdapi/v1/loras").json == CATALOG["loras"], "the webui's lists stay its own"


@pytest.mark.parametrize("route", STOCK_LISTS)
def test_the_stock_lists_come_from_the_catalog(front: Front, route: str) -> None:
    front.put_catalog()
    answer = front.call("GET", f"/sdapi/v1/{route}")
    assert answer.status == 200
    if route in CATALOG:
        assert answer.json == CATALOG[route]
    recorded_as = {"embeddings": dict, "options": dict, "scripts": dict}
    assert isinstance(answer.json, recorded_as.get(route, list))


@pytest.mark.parametrize("path", ["/models", "/sdapi/v1/sd-models"])
def test_without_a_catalog_nobody_knows(front: Front, path: str) -> None:
    answer = front.call("GET", path)
    assert (answer.status, answer.code) == (503, "catalog_missing")


@pytest.mark.parametrize("route", ["cmd-flags", "progress", "memory", "../x"])
def test_other_stock_routes_are_unknown(front: Front, route: str) -> None:
    front.put_catalog()
    answer = front.call("GET", f"/sdapi/v1/{route}")
    assert (answer.status, answer.code) == (404, "unknown_route")


@pytest.mark.parametrize("path", ["/jobs", "/models", "/sdapi/v1/options"])
def test_a_call_without_a_key_is_refused(front: Front, path: str) -> None:
    assert front.call("GET", path, owner=None).code == "no_api_key"


# png-info ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", ["", "data:image/png;base64,"])
def test_png_info_answers_as_the_stock_webui_does(front: Front, head: str) -> None:
    recording = json.loads(RECORDING.read_text())
    answer = front.call("POST", "/sdapi/v1/png-info", {"image": head + recording["request"]["image"]})
    assert answer.json == recording["response"]


def test_png_info_of_a_picture_without_parameters_is_empty(front: Front) -> None:
    document = front.call("POST", "/sdapi/v1/png-info", {"image": PNG}).json
    assert document["info"] == ""
    assert document["parameters"]["Prompt"] == ""


@pytest.mark.parametrize("image", [None, "", 7, "http://example.com/a.png", "/etc/passwd", "aGVsbG8="])
def test_png_info_takes_a_picture_only(front: Front, image: Any) -> None:
    answer = front.call("POST", "/sdapi/v1/png-info", {"image": image})
    assert (answer.status, answer.code) == (422, "invalid_payload")
    assert answer.detail.startswith("image is ")


# Docs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/openapi.json", "/docs", "/"])
def test_health_and_docs_need_no_key(front: Front, path: str) -> None:
    assert front.call("GET", path, owner=None).status == 200


def test_the_pages_load_nothing_from_elsewhere(front: Front) -> None:
    for path in ("/docs", "/"):
        answer = front.call("GET", path, owner=None)
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "src=" not in answer.body
        assert "<link" not in answer.body


def test_a_host_header_cannot_write_html(front: Front) -> None:
    answer = front.call("GET", "/", owner=None, headers={"Host": "<script>alert(1)</script>"})
    assert "<script>" not in answer.body


def test_openapi_speaks_of_the_callers_address(front: Front) -> None:
    (server,) = front.call("GET", "/openapi.json", owner=None).json["servers"]
    assert server["url"] == "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/v1"
