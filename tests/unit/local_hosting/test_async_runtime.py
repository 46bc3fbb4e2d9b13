"""The queue in front of an endpoint: order, limits, endings and what is said of them."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

SEE_LOGS = "See the SageMaker Endpoint logs in your account for more information."


def test_the_containers_answer_is_written_where_the_caller_was_told(world: Any) -> None:
    world.host()
    world.create_endpoint()
    answer = world.invoke({"hello": 1}, InferenceId="job-1")
    assert answer["InferenceId"] == "job-1"
    assert answer["OutputLocation"].startswith("s3://art/async-out/")
    assert "job-1" not in answer["OutputLocation"]
    assert answer["FailureLocation"].startswith("s3://art/async-failure/")
    world.messages(1)
    assert json.loads(world.read(answer["OutputLocation"]))["order"] == {"hello": 1}


def test_the_container_gets_sagemakers_headers(world: Any) -> None:
    world.host()
    world.create_endpoint()
    headers = world.draw({}, InferenceId="job-1", CustomAttributes="attempt=2", Accept="image/png")["headers"]
    assert headers["X-Amzn-SageMaker-Inference-Id"] == "job-1"
    assert headers["X-Amzn-SageMaker-Custom-Attributes"] == "attempt=2"
    assert headers["Content-Type"] == "application/json"
    assert headers["Accept"] == "image/png"


def test_a_success_is_announced_in_the_shape_that_was_seen_on_aws(world: Any) -> None:
    world.host()
    world.create_endpoint()
    answer = world.invoke({}, InferenceId="job-1", CustomAttributes="attempt=1")
    (message,) = world.messages(1)
    assert message.pop("eventTime") >= message.pop("receivedTime")
    input_uri = message["requestParameters"].pop("inputLocation")
    assert input_uri.startswith("s3://art/jobs/")
    assert message == {
        "awsRegion": "eu-central-1",
        "invocationStatus": "Completed",
        "requestParameters": {
            "contentType": "application/json",
            "customAttributes": "attempt=1",
            "endpointName": "sd",
        },
        "responseParameters": {
            "contentType": "application/json",
            "outputLocation": answer["OutputLocation"],
        },
        "inferenceId": "job-1",
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ({"status": 400}, f"ClientError: Received client error (400) from model. {SEE_LOGS}"),
        ({"status": 503}, f"ClientError: Received server error (503) from model. {SEE_LOGS}"),
        ({"die": True}, f"ClientError: Received server error (0) from model. {SEE_LOGS}"),
        ({"chunked": True}, "ClientError: the container's answer has no Content-Length"),
    ],
    ids=["answers_500", "breaks", "dies", "answers without a length"],
)
def test_a_container_that_fails_is_announced_once_and_not_tried_again(
    world: Any, order: dict[str, Any], reason: str
) -> None:
    world.host()
    world.create_endpoint()
    answer = world.invoke(order, InferenceId="job-1")
    (message,) = world.messages(1)
    assert message["invocationStatus"] == "Failed"
    assert message["failureReason"] == reason
    assert message["inferenceId"] == "job-1"
    assert "responseParameters" not in message
    assert world.read(answer["FailureLocation"])
    with pytest.raises(ClientError, match="NoSuchKey"):
        world.read(answer["OutputLocation"])
    world.invoke({}, InferenceId="job-2")
    assert [message["inferenceId"] for message in world.messages(1)] == ["job-2"]


def test_a_container_that_takes_too_long_has_failed(world: Any) -> None:
    world.host()
    world.create_endpoint()
    world.invoke({"sleep_s": 3}, InvocationTimeoutSeconds=1)
    assert "Received server error (0)" in world.messages(1)[0]["failureReason"]


def test_an_input_that_is_not_there_fails_the_invocation(world: Any) -> None:
    world.host()
    world.create_endpoint()
    world.runtime.invoke_endpoint_async(EndpointName="sd", InputLocation="s3://art/nothing")
    assert world.messages(1)[0]["failureReason"] == "ClientError: there is no object at s3://art/nothing"


def test_an_output_that_cannot_be_written_is_a_failure(world: Any) -> None:
    world.host()
    world.create_endpoint(name="lost", output_path="s3://no-such-bucket/out")
    world.invoke({}, name="lost")
    assert "the output cannot be written as role" in world.messages(1)[0]["failureReason"]


def test_an_invocation_that_waits_past_its_ttl_fails_unseen_by_the_container(world: Any, until: Any) -> None:
    world.host()
    world.create_endpoint()
    world.hosting.wait_in_service("sd", 10)
    world.hosting.set_capacity("sd", 0)
    until(lambda: not world.hosting.instances("sd"))
    world.invoke({}, InferenceId="late", RequestTTLSeconds=60)
    world.invoke({}, InferenceId="in-time", RequestTTLSeconds=600)
    world.clock.ahead_s = 61
    (message,) = world.messages(1)
    assert message["inferenceId"] == "late"
    assert "RequestTTLSeconds" in message["failureReason"]
    world.hosting.set_capacity("sd", 1)
    assert world.messages(1)[0]["inferenceId"] == "in-time"


def test_an_instance_holds_no_more_than_its_limit_and_the_rest_wait_in_order(world: Any) -> None:
    world.host()
    world.create_endpoint(concurrent=1)
    locations = [world.invoke({"sleep_s": 0.05})["OutputLocation"] for _ in range(5)]
    world.messages(5)
    seen = [json.loads(world.read(uri)) for uri in locations]
    assert [sight["turn"] for sight in seen] == [1, 2, 3, 4, 5]
    assert seen[-1]["most_in_flight"] == 1


def test_an_instance_holds_as_many_as_its_limit_says(world: Any) -> None:
    world.host()
    world.create_endpoint(concurrent=3)
    locations = [world.invoke({"sleep_s": 0.3})["OutputLocation"] for _ in range(5)]
    world.messages(5)
    assert max(json.loads(world.read(uri))["most_in_flight"] for uri in locations) == 3


def test_invocations_are_spread_over_the_instances(world: Any, until: Any) -> None:
    world.host()
    world.create_endpoint(count=2)
    until(lambda: [v.health.value for v in world.hosting.instances("sd")] == ["in_service"] * 2)
    locations = [world.invoke({"sleep_s": 0.3})["OutputLocation"] for _ in range(2)]
    world.messages(2)
    assert len({json.loads(world.read(uri))["pid"] for uri in locations}) == 2


def test_jobs_in_hand_of_a_killed_container_all_fail_and_waiting_ones_are_drawn(world: Any) -> None:
    world.host()
    world.create_endpoint(concurrent=2)
    world.hosting.wait_in_service("sd", 10)
    for name in ("held-1", "held-2"):
        world.invoke({"sleep_s": 30}, InferenceId=name)
    world.invoke({}, InferenceId="waiting")
    time.sleep(0.2)
    os.kill(world.instance().pid, signal.SIGKILL)
    status = {m["inferenceId"]: m["invocationStatus"] for m in world.messages(3)}
    assert status == {"held-1": "Failed", "held-2": "Failed", "waiting": "Completed"}


def test_an_instance_told_to_stop_fails_what_it_holds(world: Any) -> None:
    world.host()
    world.create_endpoint()
    world.hosting.wait_in_service("sd", 10)
    world.invoke({"sleep_s": 30}, InferenceId="held")
    time.sleep(0.2)
    world.hosting.set_capacity("sd", 0)
    assert world.messages(1)[0]["invocationStatus"] == "Failed"
