"""The HTTP seam: base address, body, errors as problem documents."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import Response
from handlers import http
from handlers.http import Call
from handlers.wiring import Wiring

from tests.unit.handlers.stage import RECORDED_ID, recorded
from webui_async.contract.errors import BodyTooLarge, MalformedBody, StoreError, UnknownJob
from webui_async.contract.fields import Limits
from webui_async.contract.settings import HandlerSettings


class Log:
    """A logger that remembers."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str]] = []

    def error(self, message: str, **_: Any) -> None:
        self.entries.append(("error", message))

    def exception(self, message: str, **_: Any) -> None:
        self.entries.append(("exception", message))


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    entries = Log()
    monkeypatch.setattr(http, "logger", lambda: entries)
    return entries


def resolve(route: Any, event: dict[str, Any]) -> dict[str, Any]:
    app = http.make_app(Wiring(HandlerSettings("bucket")), [("GET", "/jobs/<job_id>", route)])
    return http.resolve(app, event, None)


def raising(error: Exception) -> Any:
    def route(world: Wiring, call: Call, job_id: str) -> Response[str]:
        raise error

    return route


def test_base_url_holds_the_stage() -> None:
    call = Call(recorded("apigw_get_job"))
    assert call.base_url == "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/v1"
    assert call.path == f"/jobs/{RECORDED_ID}"


def test_base_url_holds_the_base_path_of_a_custom_domain() -> None:
    call = Call(recorded("apigw_get_job_custom_domain"))
    assert call.base_url == "https://images.example.com/art"
    assert call.path == f"/jobs/{RECORDED_ID}"


def test_base_url_of_the_page_at_the_stage_root() -> None:
    call = Call(recorded("apigw_get_page"))
    assert call.base_url == "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/v1"
    assert call.path == "/"


def test_base_url_follows_the_forwarded_protocol_and_port_of_a_local_gateway() -> None:
    event = recorded("apigw_get_job")
    event["headers"] |= {"X-Forwarded-Proto": "http", "Host": "127.0.0.1:4580"}
    assert Call(event).base_url == "http://127.0.0.1:4580/v1"


def test_routes_are_found_behind_a_custom_domains_base_path() -> None:
    def route(world: Wiring, call: Call, job_id: str) -> Response[str]:
        return http.answer(200, {"job_id": job_id})

    answer = resolve(route, recorded("apigw_get_job_custom_domain"))
    assert json.loads(answer["body"]) == {"job_id": RECORDED_ID}


def test_a_known_error_is_a_problem_that_names_its_job() -> None:
    answer = resolve(raising(UnknownJob("j-7")), recorded("apigw_get_job"))
    assert answer["statusCode"] == 404
    assert answer["multiValueHeaders"]["Content-Type"] == ["application/problem+json"]
    assert json.loads(answer["body"]) == {
        "type": "urn:webui-async:unknown_job",
        "title": "There is no such job of the caller's.",
        "status": 404,
        "code": "unknown_job",
        "detail": "no job 'j-7' of yours. GET /jobs lists them",
        "job_id": RECORDED_ID,
    }


def test_an_unexpected_error_is_logged_and_tells_the_caller_nothing(log: Log) -> None:
    answer = resolve(raising(ZeroDivisionError("secret inside")), recorded("apigw_get_job"))
    assert answer["statusCode"] == 500
    assert json.loads(answer["body"])["code"] == "internal_error"
    assert "secret inside" not in answer["body"]
    assert log.entries == [("exception", "unexpected error")]


def test_what_aws_says_of_its_roles_stays_in_the_log(log: Log) -> None:
    error = StoreError("S3 get_object failed: arn:aws:sts::123456789012:assumed-role/x is not authorized")
    answer = resolve(raising(error), recorded("apigw_get_job"))
    assert answer["statusCode"] == 503
    assert "123456789012" not in answer["body"]
    assert log.entries == [("error", "call failed")]


@pytest.mark.parametrize("change", [{"path": "/nowhere", "resource": "/nowhere"}, {"httpMethod": "PATCH"}])
def test_an_unknown_route_is_a_problem_that_names_it(change: dict[str, str]) -> None:
    answer = resolve(raising(AssertionError()), recorded("apigw_get_job") | change)
    assert answer["statusCode"] == 404
    document = json.loads(answer["body"])
    assert document["code"] == "unknown_route"
    assert (change.get("path") or change["httpMethod"]) in document["detail"]


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", "", None])
def test_a_body_is_read_whatever_its_content_type(content_type: str | None) -> None:
    event = recorded("apigw_post_jobs")
    event["headers"]["Content-Type"] = content_type
    assert Call(event).document()["kind"] == "txt2img"


def test_a_base64_body_is_decoded() -> None:
    event = recorded("apigw_post_jobs")
    event |= {"body": base64.b64encode(b'{"a": 1}').decode(), "isBase64Encoded": True}
    assert Call(event).document() == {"a": 1}


@pytest.mark.parametrize(
    "body", ["", None, "{", "[1]", '"text"', "null", "<html>", "[" * 100_000, "1" * 5000]
)
def test_a_body_that_is_no_json_object_is_refused(body: str | None) -> None:
    with pytest.raises(MalformedBody):
        Call(recorded("apigw_post_jobs") | {"body": body}).document()


def test_a_broken_base64_body_is_refused() -> None:
    with pytest.raises(MalformedBody, match="base64"):
        Call(recorded("apigw_post_jobs") | {"body": "%", "isBase64Encoded": True}).document()


def test_a_body_over_the_limit_is_refused_before_it_is_parsed() -> None:
    body = "x" * (Limits.max_body_bytes + 1)
    with pytest.raises(BodyTooLarge, match=f"{Limits.max_body_bytes + 1} bytes.*upload:"):
        Call(recorded("apigw_post_jobs") | {"body": body}).document()


def test_the_clock_of_a_call_starts_when_api_gateway_took_it() -> None:
    call = Call(recorded("apigw_get_job"))
    taken_at = recorded("apigw_get_job")["requestContext"]["requestTimeEpoch"] / 1000
    assert call.came_in_at(taken_at + 3) == taken_at
    assert call.came_in_at(taken_at - 3) == taken_at - 3  # a clock that runs ahead must not hold us longer
    assert Call({}).came_in_at(7.0) == 7.0
