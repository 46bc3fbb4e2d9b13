"""One piece taken out of a copy of template.yaml: its step of the road stops, and the rest goes on.

Nothing that does not happen is waited for: something that came later and has happened shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.contract.translated import PATH, without
from tests.e2e.road import Road, eventually
from webui_async.contract import keys
from webui_async.contract.job import Status
from webui_async.local.errors import TemplateError
from webui_async.local.stack import Options, Stack
from webui_async.local.template import load_yaml


@pytest.fixture
def cut_road(make_road: Callable[..., Road], tmp_path: Path) -> Callable[..., Road]:
    """cut_road(*path) -> a stack made from a template that lacks the piece at `path`."""
    return lambda *path: make_road(template=without(tmp_path, *path))


def place_of(items: list[dict[str, Any]], holds: Callable[[dict[str, Any]], bool]) -> int:
    """Where in a list of the template the one fitting entry stands."""
    (place,) = (i for i, item in enumerate(items) if holds(item))
    return place


def statements(role: str) -> tuple[tuple[Any, ...], list[dict[str, Any]]]:
    """The path to a role's statements, and the statements."""
    path = (role, "Properties", "Policies", 0, "PolicyDocument", "Statement")
    policies = load_yaml(PATH)["Resources"][role]["Properties"]["Policies"]
    return path, policies[0]["PolicyDocument"]["Statement"]


def index_status(road: Road, job_id: str, status: str = "succeeded") -> str:
    return keys.index_status(job_id, road.stack.cloud.api_key.id, "txt2img", status)


def waiting_in(road: Road, output: str) -> int:
    """Messages in a queue, those that are being worked on included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = road.stack.cloud.client("sqs").get_queue_attributes(
        QueueUrl=road.stack.outputs[output], AttributeNames=names
    )
    return sum(int(answer["Attributes"][name]) for name in names)


def call(road: Road, method: str, path: str) -> requests.Response:
    headers = {"x-api-key": road.stack.cloud.api_key.value}
    return requests.request(method, f"{road.stack.api_url}{path}", headers=headers, timeout=30)


def test_without_the_event_of_result_json_an_ending_is_told_to_nobody(cut_road: Callable[..., Road]) -> None:
    path = ("Bucket", "Properties", "NotificationConfiguration", "QueueConfigurations")
    events = load_yaml(PATH)["Resources"]["Bucket"]["Properties"]["NotificationConfiguration"]
    road = cut_road(*path, place_of(events["QueueConfigurations"], lambda item: "result" in str(item)))
    first = road.wait(road.submit().id)
    second = road.wait(road.submit().id)
    assert first.status is second.status is Status.SUCCEEDED
    road.tell_again(second.id)
    road.assert_ended_once(second.id, "succeeded")
    assert not road.stack.store.exists(index_status(road, first.id))
    assert {received.body["data"]["id"] for received in road.heard} == {second.id}


def test_without_its_event_source_complete_leaves_the_events_in_their_queue(
    cut_road: Callable[..., Road],
) -> None:
    road = cut_road("CompleteFunction", "Properties", "Events", "Events")
    job = road.wait(road.submit().id)
    assert job.status is Status.SUCCEEDED
    eventually(lambda: waiting_in(road, "EventsQueueUrl"))
    assert not road.stack.store.exists(index_status(road, job.id))


def test_without_its_event_source_deliver_leaves_the_callbacks_in_their_queue(
    cut_road: Callable[..., Road],
) -> None:
    road = cut_road("DeliverFunction", "Properties", "Events", "Callbacks")
    job = road.submit()
    eventually(lambda: road.stack.store.exists(index_status(road, job.id)))
    eventually(lambda: waiting_in(road, "CallbacksQueueUrl"))
    assert road.receiver.next(0.5) is None


def test_without_a_route_its_calls_are_answered_404_and_the_others_as_ever(
    cut_road: Callable[..., Road],
) -> None:
    road = cut_road("ApiFunction", "Properties", "Events", "GetJob")
    job = road.submit()
    answer = call(road, "GET", f"/jobs/{job.id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_route")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert call(road, "GET", "/jobs").json()["jobs"][0]["id"] == job.id
    road.assert_ended_once(job.id, "succeeded")


def test_without_the_usage_plan_s_key_nobody_gets_in(cut_road: Callable[..., Road]) -> None:
    road = cut_road("UsagePlanKey")
    answer = call(road, "GET", "/jobs")
    assert (answer.status_code, answer.json()["code"]) == (403, "no_api_key")
    assert call(road, "GET", "/health").status_code == 200


def test_without_one_statement_complete_is_denied_that_one_step(cut_road: Callable[..., Road]) -> None:
    path, held = statements("CompleteRole")
    road = cut_road(*path, place_of(held, lambda item: item["Action"] == "sqs:SendMessage"))
    job = road.wait(road.submit().id)
    assert job.status is Status.SUCCEEDED
    (complete,) = (f for f in road.stack.cloud.deployed.functions.values() if "complete" in f.handler)
    log = road.stack.cloud.function_log(complete.name)
    eventually(lambda: "not authorized to perform: sqs:SendMessage" in log.read_text())
    assert road.stack.store.exists(index_status(road, job.id))
    assert road.stack.store.exists(keys.active(job.id, road.stack.cloud.api_key.id))
    assert road.receiver.next(0.5) is None


@pytest.mark.parametrize("piece", ["subscription", "queue policy"])
def test_without_the_road_from_the_error_topic_a_lost_attempt_is_found_by_reap_only(
    cut_road: Callable[..., Road], piece: str
) -> None:
    policy = load_yaml(PATH)["Resources"]["EventsQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    place = place_of(policy, lambda item: item["Sid"] == "SageMakerErrors")
    path = ("EventsQueuePolicy", "Properties", "PolicyDocument", "Statement", place)
    road = cut_road(*(path if piece == "queue policy" else ("SageMakerErrorSubscription",)))
    lost = road.submit(steps=40)
    road.kill_serve(lost.id)
    later = road.submit()
    assert road.wait(later.id).status is Status.SUCCEEDED, "the new instance has drawn a later job"
    road.assert_ended_once(later.id, "succeeded")
    assert road.stack.store.attempt(lost.id, 2) is None
    assert road.reap_later(150) == {"retried": 1}
    assert road.wait(lost.id).status is Status.SUCCEEDED


def test_without_its_schedule_nothing_reaps(cut_road: Callable[..., Road]) -> None:
    road = cut_road("ReapFunction", "Properties", "Events", "Schedule")
    assert road.stack.cloud.deployed.schedules == {}
    job = road.plant(expires_in_s=-1, age_s=200, invoke=False)
    (function,) = (f for f in road.stack.cloud.deployed.functions.values() if "reap" in f.handler)
    assert road.stack.cloud.invoke(function.name, {}) == {"expired": 1}
    road.assert_ended_once(job.id, "expired")


def test_a_template_without_the_callbacks_queue_starts_nothing(tmp_path: Path) -> None:
    template = without(tmp_path, "CallbacksQueue")
    with pytest.raises(TemplateError, match="CallbacksQueue"):
        Stack(Options(tmp_path, template=template)).__enter__()
