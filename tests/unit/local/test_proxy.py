"""local/proxy.py, refusals.py, metering.py: HTTP to events and back, as API Gateway does it."""

import base64
import json
from pathlib import Path

import pytest

from webui_async.local.deployed import Api, ApiKey, GatewayResponse, Route, UsagePlan
from webui_async.local.metering import Metering
from webui_async.local.proxy import Incoming, MalformedAnswer, answer_of, event_of, is_binary_type, match
from webui_async.local.refusals import Refused, refuse

RECORDED = Path(__file__).parents[2] / "events"
ROUTES = [
    Route("GET", "/jobs", "api", True),
    Route("POST", "/jobs", "submit", True),
    Route("GET", "/jobs/{id}", "api", True),
    Route("GET", "/jobs/{id}/images/{n}", "api", True),
    Route("GET", "/sdapi/v1/{route}", "api", True),
    Route("POST", "/sdapi/v1/txt2img", "submit", True),
    Route("ANY", "/files/{rest+}", "api", True),
    Route("GET", "/", "api", False),
]


def incoming(method="POST", path="/jobs", query="", headers=(), body=b""):
    headers = [("host", "127.0.0.1:8080"), ("x-api-key", "secret"), *headers]
    return Incoming(method, "v1", path, query, headers, body, "127.0.0.1", 1_700_000_000.5, "r-1")


@pytest.mark.parametrize(
    ("method", "path", "route", "parameters"),
    [
        ("GET", "/jobs/a%2Fb", "/jobs/{id}", {"id": "a/b"}),
        ("GET", "/jobs/7/images/0", "/jobs/{id}/images/{n}", {"id": "7", "n": "0"}),
        ("GET", "/sdapi/v1/samplers", "/sdapi/v1/{route}", {"route": "samplers"}),
        ("POST", "/sdapi/v1/txt2img", "/sdapi/v1/txt2img", {}),
        ("DELETE", "/files/a/b", "/files/{rest+}", {"rest": "a/b"}),
        ("GET", "/", "/", {}),
    ],
)
def test_a_request_finds_its_route(method, path, route, parameters):
    found, values = match(ROUTES, method, path)
    assert (found.path, values) == (route, parameters)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing"),
        ("PUT", "/jobs"),
        ("GET", "/sdapi/v1/txt2img"),
        ("GET", "/jobs/1/2"),
        ("GET", "/jobs//images/1"),
    ],
)
def test_a_request_without_a_route_finds_none(method, path):
    assert match(ROUTES, method, path) is None


def test_an_event_has_the_shape_of_a_recorded_one():
    recorded = json.loads((RECORDED / "apigw_post_jobs.json").read_text())
    made = event_of(incoming(body=b"{}"), ROUTES[1], {}, "api", "key-1", False)
    assert set(made) == set(recorded)
    assert {"apiKeyId", "sourceIp"} <= set(made["requestContext"]["identity"])
    for name in ("stage", "resourcePath", "requestTimeEpoch", "path", "domainName", "requestId"):
        assert type(made["requestContext"][name]) is type(recorded["requestContext"][name])


def test_an_event_tells_all_of_the_request():
    request = incoming(
        path="/jobs/a%20b", query="x=1&x=2&e=", headers=[("prefer", "wait"), ("prefer", "respond-async")]
    )
    event = event_of(request, ROUTES[2], {"id": "a b"}, "api", "key-1", False)
    assert event["headers"]["Prefer"] == "respond-async"
    assert event["multiValueHeaders"]["Prefer"] == ["wait", "respond-async"]
    assert event["queryStringParameters"] == {"x": "2", "e": ""}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "e": [""]}
    assert (event["resource"], event["path"], event["body"]) == ("/jobs/{id}", "/jobs/a b", None)
    assert event["requestContext"]["path"] == "/v1/jobs/a b"
    assert event["requestContext"]["identity"]["apiKeyId"] == "key-1"


def test_a_binary_body_travels_as_base64():
    event = event_of(incoming(body=b"\x89PNG"), ROUTES[1], {}, "api", None, True)
    assert event["isBase64Encoded"] and base64.b64decode(event["body"]) == b"\x89PNG"
    assert event["requestContext"]["identity"]["apiKey"] is None


@pytest.mark.parametrize(
    ("types", "value", "is_binary"),
    [
        ((), "image/png", False),
        (("image/png",), "image/png;q=1, */*", True),
        (("image/*",), "image/webp", True),
        (("*/*",), None, True),
        (("image/png",), "*/*", False),
    ],
)
def test_the_first_media_type_decides_what_is_binary(types, value, is_binary):
    assert is_binary_type(types, value) is is_binary


def test_a_result_becomes_an_answer():
    result = {
        "statusCode": 200,
        "headers": {"Content-Type": "image/png", "Set-Cookie": "x", "Content-Length": "4"},
        "multiValueHeaders": {"Set-Cookie": ["a", "b"]},
        "body": base64.b64encode(b"png").decode(),
        "isBase64Encoded": True,
    }
    answer = answer_of(result, decodes=True)
    assert answer.body == b"png" and "Content-Length" not in dict(answer.headers)
    assert [value for name, value in answer.headers if name == "Set-Cookie"] == ["a", "b"]
    assert answer_of(result, decodes=False).body == base64.b64encode(b"png")


@pytest.mark.parametrize("result", [None, {}, {"statusCode": "x"}, {"statusCode": 200, "body": {"a": 1}}])
def test_a_result_of_another_shape_is_malformed(result):
    with pytest.raises(MalformedAnswer):
        answer_of(result, decodes=False)


def test_a_refusal_speaks_the_templates_words():
    words = '{"code":"no_key","detail":"$context.httpMethod $context.path. $context.error.messageString"}'
    responses = {
        "INVALID_API_KEY": GatewayResponse(
            401, {"Content-Type": "application/problem+json"}, {"application/json": words}
        )
    }
    answer = refuse(Api("api", (), responses), Refused.NO_KEY, incoming())
    assert answer.status == 401
    assert answer.body == b'{"code":"no_key","detail":"POST /v1/jobs. "Forbidden""}'
    assert dict(answer.headers)["Content-Type"] == "application/problem+json"


def test_a_refusal_without_words_of_its_own_uses_the_default_then_aws():
    default = {
        "DEFAULT_4XX": GatewayResponse(None, {}, {"application/json": '{"m":$context.error.messageString}'})
    }
    answer = refuse(Api("api", (), default), Refused.TOO_FAST, incoming())
    assert (answer.status, answer.body) == (429, b'{"m":"Too Many Requests"}')
    answer = refuse(Api("api", (), {}), Refused.UNKNOWN_ROUTE, incoming())
    assert (answer.status, answer.body) == (403, b'{"message":"Missing Authentication Token"}')


class Clock:
    def __init__(self):
        self.now = 1_700_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def metering(clock, **limits):
    keys = {"k1": ApiKey("k1", "one", "secret"), "k2": ApiKey("k2", "two", "other", enabled=False)}
    keys["k3"] = ApiKey("k3", "three", "planless")
    return Metering(keys, {"p": UsagePlan("p", key_ids={"k1", "k2"}, **limits)}, clock)


def test_a_key_opens_by_its_value_while_it_is_enabled_and_on_a_plan(clock):
    meter = metering(clock)
    assert meter.admit("secret").id == "k1"
    for value in (None, "", "wrong", "other", "planless"):
        assert meter.admit(value) is Refused.NO_KEY


def test_an_added_key_is_another_owner(clock):
    meter = metering(clock)
    added = meter.add_key("guest")
    assert meter.admit(added.value).id == added.id != "k1"


def test_a_burst_is_throttled_until_time_passes(clock):
    meter = metering(clock, rate_per_s=2.0, burst=3.0)
    assert [meter.admit("secret") for _ in range(4)][-1] is Refused.TOO_FAST
    clock.now += 0.5
    assert meter.admit("secret").id == "k1"


def test_a_quota_lasts_until_the_next_day(clock):
    meter = metering(clock, quota=2)
    assert [meter.admit("secret") for _ in range(3)][-1] is Refused.TOO_OFTEN
    clock.now += 86400
    assert meter.admit("secret").id == "k1"
