"""One job end to end, and what its owner sees on the way."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from tests.e2e.road import PAYLOAD, Road, engine_command, eventually
from webui_async.client import ApiError
from webui_async.contract import keys
from webui_async.contract.parameters import generation_parameters


def test_a_job_becomes_a_picture_and_its_owner_is_called_back_once(road: Road, tmp_path: Path) -> None:
    job = road.wait(road.submit().id)
    assert job.status.value == "succeeded"
    (path,) = road.client.download(job, tmp_path)
    assert "a red star" in generation_parameters(path.read_bytes())
    road.assert_ended_once(job.id, "succeeded")


def test_the_callback_holds_links_that_anybody_can_read(road: Road) -> None:
    job = road.submit()
    (callback,) = road.callbacks_of(job.id)
    (image,) = callback.body["data"]["images"]
    assert requests.get(image["url"], timeout=10).content.startswith(b"\x89PNG")


def test_a_stock_route_holds_the_line_and_gives_the_webui_s_own_answer(road: Road) -> None:
    answer = _post(road, "/sdapi/v1/txt2img", PAYLOAD)
    assert answer.status_code == 200
    assert set(answer.json()) == {"images", "parameters", "info"}


def test_a_stock_route_longer_than_the_line_is_followed_to_its_answer(make_road) -> None:
    road = make_road(
        engine_command=engine_command(delay_s=0.2)
    )  # 150 steps are 30 s, the line is held for 25
    answer = _post(road, "/sdapi/v1/txt2img", PAYLOAD | {"steps": 150})
    assert [hop.status_code for hop in answer.history] == [303]
    assert answer.request.method == "GET" and answer.json()["images"]


def test_progress_moves_while_it_is_drawn(road: Road) -> None:
    job = road.submit(steps=140)
    seen = set()
    road.client.wait(job.id, 60, lambda view: seen.add(view.progress["fraction"]) if view.progress else None)
    assert len(seen) >= 3 and max(seen) <= 1


def test_a_direct_invocation_is_answered_and_writes_nothing_under_jobs(road: Road) -> None:
    store = road.stack.store
    store.put_json("uploads/by-hand.json", PAYLOAD)
    before = {keys.job_id_of(entry.key) for entry in store.list(keys.JOBS)}
    answer = road.stack.runtime_client().invoke_endpoint_async(
        EndpointName="webui-async", InputLocation=store.uri("uploads/by-hand.json"), InferenceId="by-hand"
    )
    key = answer["OutputLocation"].partition(f"{store.bucket}/")[2]
    assert set(eventually(lambda: store.get_json(key))) == {"images", "parameters", "info"}
    assert {keys.job_id_of(entry.key) for entry in store.list(keys.JOBS)} == before


def test_another_owner_sees_nothing_of_the_job(road: Road) -> None:
    job = road.submit()
    with road.stack.client("somebody-else") as other:
        with pytest.raises(ApiError) as refusal:
            other.status(job.id)
        assert refusal.value.http_status == 404
        assert list(other.jobs()) == []


def _post(road: Road, path: str, body: dict) -> requests.Response:
    headers = {"x-api-key": road.stack.cloud.api_key.value}
    return requests.post(f"{road.stack.api_url}{path}", json=body, headers=headers, timeout=60)
