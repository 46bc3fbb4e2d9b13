"""Least privilege on the running stack: each role at SageMaker's own API, and a whole run within the roles.

tests/contract/test_local_roles.py has what each role may do with every kind of key and with other services.
"""

from __future__ import annotations

import base64
import re
import time
from pathlib import Path

import pytest
import requests
from botocore.exceptions import ClientError

from tests.e2e.road import PAYLOAD, Road, eventually
from tests.faulty_webui.replies import make_png
from tests.unit.model_files.weights import SD1_LORA
from tests.unit.packager.random_trees import write_model
from webui_async.client import ApiError
from webui_async.contract import keys
from webui_async.contract.job import Result, Status
from webui_async.local.errors import StackError
from webui_async.local.stack import ENDPOINT

MAY_INVOKE = {"SubmitRole", "CompleteRole", "ReapRole"}
ROLES = ("SubmitRole", "ApiRole", "CompleteRole", "DeliverRole", "ReapRole", "EndpointRole")
#: What IAM says, and what the service model does: nothing of the kind may stand in any log.
REFUSALS = re.compile(
    r"AccessDenied|not authorized|InvalidAccessKeyId|SignatureDoesNotMatch|failed to satisfy"
)


@pytest.mark.parametrize("role", ROLES)
def test_only_those_who_enqueue_get_an_invocation_in_and_only_to_our_endpoint(road: Road, role: str) -> None:
    service = "sagemaker.amazonaws.com" if role == "EndpointRole" else "lambda.amazonaws.com"
    credentials = road.stack.cloud.plane.assume(road.stack.outputs[f"{role}Arn"], service)
    runtime = road.runtime_client(credentials)

    def refusal(endpoint: str) -> str | None:
        uri = road.stack.store.uri("uploads/nobody/nothing")
        try:
            runtime.invoke_endpoint_async(EndpointName=endpoint, InputLocation=uri)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return None

    assert refusal(ENDPOINT) == (None if role in MAY_INVOKE else "AccessDeniedException")
    assert refusal("another") == "AccessDeniedException"


@pytest.mark.parametrize("role", ["EndpointRole", "SubmitRole"])
def test_a_role_is_taken_on_by_its_own_service_only(road: Road, role: str) -> None:
    wrong = "lambda.amazonaws.com" if role == "EndpointRole" else "sagemaker.amazonaws.com"
    with pytest.raises(StackError, match="does not trust"):
        road.stack.cloud.plane.assume(road.stack.outputs[f"{role}Arn"], wrong)


def test_in_a_whole_run_every_request_is_allowed_and_valid(make_road) -> None:
    road = make_road()
    live_every_life(road)
    logs = [log for log in road.stack.options.work_dir.rglob("*log") if log.is_file()]
    assert len(logs) >= 7, "five functions, moto and a container have logged"
    assert [said for log in logs for said in refusals_in(log)] == []
    role = road.stack.cloud.plane.assume(road.stack.outputs["DeliverRoleArn"])
    with pytest.raises(ClientError):
        road.stack.cloud.client("s3", role).list_objects_v2(Bucket=road.stack.store.bucket)
    assert [said for log in logs for said in refusals_in(log)], "a refusal would have been seen"


def refusals_in(log: Path) -> list[str]:
    return [f"{log.name}: {line}" for line in log.read_text().splitlines() if REFUSALS.search(line)]


def live_every_life(road: Road) -> None:
    """Everything that a job can go through, so that every function makes every call it knows."""
    done = road.wait(road.submit(idempotency_key="once").id)
    assert road.submit(idempotency_key="once").id == done.id
    hold_the_line(road)
    cancel_and_give_back(road)
    lost = road.submit(steps=20)
    road.kill_serve(lost.id)
    assert road.wait(lost.id).status is Status.SUCCEEDED
    road.assert_all_ended_once([done.id, lost.id], "succeeded")
    reap_all(road)
    draw_from_upload(road)
    draw_on_demand(road)
    assert done.id in {job.id for job in road.client.jobs()}
    road.client.delete(done.id)
    with pytest.raises(ApiError, match="deleted"):
        road.client.status(done.id)


def hold_the_line(road: Road) -> None:
    headers, url = {"x-api-key": road.stack.cloud.api_key.value}, road.stack.api_url
    assert (
        requests.post(f"{url}/sdapi/v1/txt2img", json=PAYLOAD, headers=headers, timeout=60).status_code == 200
    )
    for path in ("/sdapi/v1/samplers", "/models", "/health", "/openapi.json", "/docs", "/"):
        assert requests.get(f"{url}{path}", headers=headers, timeout=30).status_code == 200


def cancel_and_give_back(road: Road) -> None:
    drawn, waiting = road.submit(steps=40), road.submit(steps=40)
    road.wait_drawing(drawn.id)
    assert road.client.cancel(waiting.id).status is Status.CANCELED
    road.stack.hosting.set_capacity(ENDPOINT, 0)
    eventually(lambda: road.stack.store.attempt(drawn.id, 2))
    road.stack.hosting.set_capacity(ENDPOINT, 1)
    road.wait_drawing(drawn.id)
    road.client.cancel(drawn.id)
    assert road.wait(drawn.id).status is Status.CANCELED


def reap_all(road: Road) -> None:
    """Every fate that reap knows, under its role."""
    expired = road.plant(expires_in_s=-1, age_s=200, invoke=False)
    road.reap()
    assert road.wait(expired.id).status is Status.EXPIRED
    eventually(lambda: not list(road.stack.store.list(keys.ACTIVE)))
    never_invoked, untold = road.plant(expires_in_s=600, invoke=False), road.plant(600, invoke=False)
    with road.without_events():
        road.stack.store.end(Result(untold.id, Status.SUCCEEDED, time.time()))
    arrived = keys.new_job_id(time.time(), b"0123456789")
    road.stack.store.put_mark(keys.active(arrived, "nobody"))
    assert road.reap_later(400) == {"invoked": 1, "completed_again": 1, "forgotten": 1}
    assert road.wait(never_invoked.id).status is Status.SUCCEEDED
    road.assert_ended_once(untold.id, "succeeded")
    vanished = road.submit(steps=40)
    road.wait_drawing(vanished.id)
    assert road.reap_later(400) == {"retried": 1}
    assert road.wait(vanished.id).status is Status.SUCCEEDED


def draw_from_upload(road: Road) -> None:
    picture = road.client.upload(base64.b64decode(make_png(64, 64, 1, "")))
    payload = PAYLOAD | {"init_images": [picture]}
    assert road.wait(road.client.submit("img2img", payload).id).status is Status.SUCCEEDED


def draw_on_demand(road: Road) -> None:
    path = write_model(road.stack.options.work_dir / "ink-wash.safetensors", SD1_LORA)
    road.models("add", path, "--bucket", road.bucket_uri)
    payload = PAYLOAD | {"prompt": "a red star <lora:ink-wash:1>"}
    assert road.wait(road.client.submit("txt2img", payload).id).status is Status.SUCCEEDED
