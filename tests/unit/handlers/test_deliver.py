"""deliver: one signed POST per ending, tried again when it was not taken."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from handlers import deliver as deliver_module
from handlers.callback_http import Poster
from handlers.deliver import MAX_BODY_BYTES, deliver, handler
from handlers.wiring import Wiring

from tests.unit.handlers.receiver import Receiver, answer, open_receiver
from tests.unit.handlers.stage import OWNER, RECORDED_ID, Stage, open_stage, recorded
from webui_async.contract import keys, signature
from webui_async.contract.errors import BadSignature, CallbackFailed
from webui_async.contract.job import Job, Status


@pytest.fixture
def stage() -> Iterator[Stage]:
    with open_stage() as made:
        yield made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with open_receiver() as made:
        yield made


@pytest.fixture
def world(stage: Stage, receiver: Receiver) -> Wiring:
    return stage.wire(callback_allow_hosts=(receiver.host,))


@pytest.fixture
def waits(stage: Stage) -> list[int]:
    """The seconds for which messages were hidden."""
    seen: list[int] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        seen.append(params["VisibilityTimeout"])

    stage.sqs.meta.events.register("before-parameter-build.sqs.ChangeMessageVisibility", note)
    return seen


def ended(stage: Stage, receiver: Receiver, pictures: int = 1, **fields: Any) -> Job:
    job = stage.accept(RECORDED_ID, callback_url=f"http://{receiver.host}/done", **fields)
    stage.end(job, Status.SUCCEEDED, pictures)
    return job


def message(stage: Stage, tries: int = 1) -> SQSRecord:
    """The recorded message, with the receipt of a real one."""
    event = recorded("sqs_callback")["Records"][0]
    name = uuid.uuid4().hex
    stage.sqs.send_message(
        QueueUrl=stage.callbacks_url, MessageBody="{}", MessageGroupId=name, MessageDeduplicationId=name
    )
    taken = stage.sqs.receive_message(QueueUrl=stage.callbacks_url)["Messages"][0]
    event["receiptHandle"] = taken["ReceiptHandle"]
    event["attributes"]["ApproximateReceiveCount"] = str(tries)
    return SQSRecord(event)


def deliveries(stage: Stage) -> list[dict[str, Any]]:
    document = stage.store.get_json(keys.callback(RECORDED_ID)) or {}
    return list(document.get("deliveries", []))


def test_a_callback_is_signed_and_holds_the_job(stage: Stage, world: Wiring, receiver: Receiver) -> None:
    job = ended(stage, receiver)

    deliver(world, Poster(), message(stage))

    (request,) = receiver.requests
    secret = signature.owner_secret("new master", OWNER)
    signature.verify([secret], request.headers, request.body, world.now())
    assert request.headers["webhook-id"] == f"{job.id}.job.succeeded"
    document = json.loads(request.body)
    assert document["type"] == "job.succeeded"
    assert document["data"]["id"] == job.id and document["data"]["status"] == "succeeded"
    (image,) = document["data"]["images"]
    assert image["seed"] == 42 and "X-Amz-Signature=" in image["url"]
    assert document["data"]["urls"]["get"] == f"https://api.example.com/v1/jobs/{job.id}"
    assert "info" not in document["data"] and "red boat" not in request.body.decode()


def test_what_was_delivered_is_written_down(stage: Stage, world: Wiring, receiver: Receiver) -> None:
    ended(stage, receiver)

    deliver(world, Poster(), message(stage))

    (made,) = deliveries(stage)
    assert made["webhook_id"] == f"{RECORDED_ID}.job.succeeded" and made["status"] == 200


def test_doubled_messages_make_one_post(stage: Stage, world: Wiring, receiver: Receiver) -> None:
    ended(stage, receiver)

    for tries in (1, 1, 2):
        deliver(world, Poster(), message(stage, tries))

    assert len(receiver.requests) == 1


def test_410_is_the_end_of_it(stage: Stage, world: Wiring, receiver: Receiver, waits: list[int]) -> None:
    ended(stage, receiver)
    receiver.answers = [answer(410)]

    for tries in (1, 2):
        deliver(world, Poster(), message(stage, tries))

    assert len(receiver.requests) == 1 and waits == []
    assert deliveries(stage)[0]["status"] == 410


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 429, 500, 503])
def test_any_other_answer_is_tried_again_later(
    stage: Stage, world: Wiring, receiver: Receiver, waits: list[int], status: int
) -> None:
    ended(stage, receiver)
    receiver.answers = [answer(status, location=f"http://{receiver.host}/elsewhere")]

    with pytest.raises(CallbackFailed, match=str(status)):
        deliver(world, Poster(), message(stage))

    assert waits == [5]
    assert len(receiver.requests) == 1


def test_a_second_try_that_is_taken_ends_it_under_the_same_webhook_id(
    stage: Stage, world: Wiring, receiver: Receiver, waits: list[int]
) -> None:
    ended(stage, receiver)
    receiver.answers = [answer(500), answer(204)]

    with pytest.raises(CallbackFailed):
        deliver(world, Poster(), message(stage, tries=1))
    deliver(world, Poster(), message(stage, tries=2))

    first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert [made["status"] for made in deliveries(stage)] == [500, 204]


@pytest.mark.parametrize(("tries", "wait"), [(1, 5), (2, 300), (5, 18054), (8, 0)])
def test_the_wait_grows_with_the_times_the_message_came(
    stage: Stage, world: Wiring, receiver: Receiver, waits: list[int], tries: int, wait: int
) -> None:
    ended(stage, receiver)
    receiver.answers = [answer(500)]

    with pytest.raises(CallbackFailed):
        deliver(world, Poster(), message(stage, tries))

    assert waits == [pytest.approx(wait, rel=0.01)]


def test_retry_after_is_honoured(stage: Stage, world: Wiring, receiver: Receiver, waits: list[int]) -> None:
    ended(stage, receiver)
    receiver.answers = [answer(429, retry_after="900")]

    with pytest.raises(CallbackFailed):
        deliver(world, Poster(), message(stage))

    assert waits == [900]


def test_a_slow_receiver_is_tried_again_later(
    stage: Stage, world: Wiring, receiver: Receiver, waits: list[int]
) -> None:
    ended(stage, receiver)
    receiver.answers = [lambda connection: time.sleep(0.5)]

    with pytest.raises(CallbackFailed):
        deliver(world, Poster(timeout_s=0.2), message(stage))

    assert waits == [5]
    assert deliveries(stage)[0]["status"] is None


def test_a_private_address_is_never_called(stage: Stage, receiver: Receiver, waits: list[int]) -> None:
    ended(stage, receiver)

    with pytest.raises(CallbackFailed, match="callback_url is"):
        deliver(stage.wire(), Poster(), message(stage))

    assert receiver.requests == [] and waits == [5]


def test_both_masters_sign_while_they_rotate(stage: Stage, world: Wiring, receiver: Receiver) -> None:
    ended(stage, receiver)
    stage.clients["secretsmanager"].put_secret_value(
        SecretId=stage.secret_arn, SecretString=json.dumps({"current": "newer", "previous": "new master"})
    )

    deliver(world, Poster(), message(stage))

    (request,) = receiver.requests
    for master in ("newer", "new master"):
        secret = signature.owner_secret(master, OWNER)
        signature.verify([secret], request.headers, request.body, world.now())
    with pytest.raises(BadSignature):
        other = signature.owner_secret("newer", "owner-2")
        signature.verify([other], request.headers, request.body, world.now())


def test_a_rotation_is_seen_within_a_minute_or_so(stage: Stage, world: Wiring, receiver: Receiver) -> None:
    ended(stage, receiver)
    receiver.answers = [answer(500)]
    with pytest.raises(CallbackFailed):
        deliver(world, Poster(), message(stage, tries=1))
    stage.clients["secretsmanager"].put_secret_value(
        SecretId=stage.secret_arn, SecretString=json.dumps({"current": "newer", "previous": ""})
    )
    stage.offset_s = 61

    with pytest.raises(CallbackFailed):
        deliver(world, Poster(), message(stage, tries=2))

    secret = signature.owner_secret("newer", OWNER)
    signature.verify([secret], receiver.requests[1].headers, receiver.requests[1].body, world.now())


@pytest.mark.parametrize("pictures", [1, 12, 100, 500])
def test_a_body_stays_under_20_kb_however_many_pictures(
    stage: Stage, world: Wiring, receiver: Receiver, pictures: int
) -> None:
    ended(stage, receiver, pictures)

    deliver(world, Poster(), message(stage))

    (request,) = receiver.requests
    assert len(request.body) < MAX_BODY_BYTES
    images = json.loads(request.body)["data"]["images"]
    assert len(images) == (0 if pictures == 500 else pictures)


def test_a_deleted_job_is_not_called_back(stage: Stage, world: Wiring, receiver: Receiver) -> None:
    job = ended(stage, receiver)
    stage.store.put_json(keys.deleted(job.id), {})

    deliver(world, Poster(), message(stage))

    assert receiver.requests == []


def test_a_failed_message_is_reported_to_lambda(
    stage: Stage, world: Wiring, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(stage, receiver)
    receiver.answers = [answer(500)]
    monkeypatch.setattr(deliver_module, "wiring", lambda: world)
    record = message(stage)

    report = handler({"Records": [record.raw_event]}, None)

    assert report == {"batchItemFailures": [{"itemIdentifier": record.message_id}]}


def test_no_link_secret_or_prompt_is_logged(
    stage: Stage, world: Wiring, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    ended(stage, receiver)

    deliver(world, Poster(), message(stage))

    logged = capsys.readouterr()
    for word in ("Signature", "red boat", "new master", "whsec_", "/done"):
        assert word not in logged.out + logged.err
