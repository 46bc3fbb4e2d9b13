"""template.yaml against the code that runs under it."""

from __future__ import annotations

import dataclasses
import graphlib
import importlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from handlers.callback_retry import SCHEDULE_S

from tests.contract.translated import FUNCTIONS, KEYS, PATH, kinds_of, of_type, translated
from webui_async.contract.payload import Kind
from webui_async.contract.settings import PREFIX, HandlerSettings
from webui_async.local.template import load_yaml

# The graph ------------------------------------------------------------------------------------------------


def references(value: Any) -> Iterator[str]:
    """Every name that a piece of a template refers to."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        for name, argument in value.items():
            if name == "Ref":
                yield argument
            elif name == "Fn::GetAtt":
                yield argument.partition(".")[0] if isinstance(argument, str) else argument[0]
            elif name == "Fn::Sub":
                text, local = argument if isinstance(argument, list) else (argument, {})
                names = {found.partition(".")[0] for found in re.findall(r"\$\{([^!}][^}]*)\}", text)}
                yield from names - set(local)
                yield from references(local)
            else:
                yield from references(argument)


def order(resources: dict[str, set[str]]) -> list[str]:
    """The resources, each after those it needs. Raises graphlib.CycleError."""
    needed = {name: needs & set(resources) for name, needs in resources.items()}
    return list(graphlib.TopologicalSorter(needed).static_order())


def test_the_translated_graph_has_no_cycle() -> None:
    graph = {
        one.name: set(references(one.properties)) | set(one.depends_on)
        for one in translated().resources.values()
    }

    placed = order(graph)

    assert placed.index("EventsQueuePolicy") < placed.index("Bucket") < placed.index("SubmitFunction")


def test_a_cycle_would_be_found() -> None:
    resources = {
        "Bucket": {"Queue": {"Fn::GetAtt": ["Queue", "Arn"]}},
        "Queue": {"Policy": {"Fn::Sub": "${Bucket.Arn}/${!literal}/${AWS::Region}"}},
    }

    with pytest.raises(graphlib.CycleError):
        order({name: set(references(body)) for name, body in resources.items()})


# The bucket -----------------------------------------------------------------------------------------------


def test_the_bucket_policy_lets_nobody_overwrite_an_ending() -> None:
    (policy,) = of_type("AWS::S3::BucketPolicy").values()
    by_sid = {one["Sid"]: one for one in policy["PolicyDocument"]["Statement"]}
    once = by_sid["WriteOnce"]

    assert once["Effect"] == "Deny" and once["Principal"] == "*"
    assert once["Condition"] == {"Null": {"s3:if-none-match": "true"}}
    assert kinds_of(once["Resource"]) == {"request", "result", "idempotency"}
    assert by_sid["TlsOnly"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_s3_tells_of_endings_and_releases_and_of_nothing_else() -> None:
    (bucket,) = of_type("AWS::S3::Bucket").values()
    told = set()
    for notified in bucket["NotificationConfiguration"]["QueueConfigurations"]:
        rules = {rule["Name"]: rule["Value"] for rule in notified["Filter"]["S3Key"]["Rules"]}
        told |= {
            kind
            for kind, key in KEYS.items()
            if key.startswith(rules["prefix"]) and key.endswith(rules["suffix"])
        }

    assert told == {"result", "released"}


def test_only_what_is_old_and_ours_to_remove_expires() -> None:
    (bucket,) = of_type("AWS::S3::Bucket").values()
    rules = bucket["LifecycleConfiguration"]["Rules"]
    prefixes = {rule["Prefix"] for rule in rules if "ExpirationInDays" in rule}

    assert prefixes == {"jobs/", "index/", "idempotency/", "uploads/", "async-out/", "async-failure/"}


# Queues and schedule --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("queue", "function"), [("EventsQueue", "CompleteFunction"), ("CallbacksQueue", "DeliverFunction")]
)
def test_a_message_stays_hidden_for_six_times_its_functions_timeout(queue: str, function: str) -> None:
    hidden_s = translated().resources[queue].properties["VisibilityTimeout"]

    assert hidden_s >= 6 * translated().resources[function].properties["Timeout"]


def test_the_callbacks_queue_lasts_as_long_as_the_retry_schedule() -> None:
    queue = translated().resources["CallbacksQueue"].properties

    assert queue["RedrivePolicy"]["maxReceiveCount"] == len(SCHEDULE_S) + 1
    assert queue["MessageRetentionPeriod"] > 2 * sum(SCHEDULE_S)


def test_both_queues_report_failures_record_by_record() -> None:
    sources = of_type("AWS::Lambda::EventSourceMapping")

    assert {json.dumps(one["EventSourceArn"]) for one in sources.values()} == {
        '{"Fn::GetAtt": ["EventsQueue", "Arn"]}',
        '{"Fn::GetAtt": ["CallbacksQueue", "Arn"]}',
    }
    for source in sources.values():
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


# Functions and settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_given_settings_that_exist(name: str) -> None:
    environment = translated().resources[f"{name}Function"].properties["Environment"]["Variables"]
    given = {one.removeprefix(PREFIX).lower() for one in environment if one.startswith(PREFIX)}

    assert {"bucket", "endpoint"} <= given <= {item.name for item in dataclasses.fields(HandlerSettings)}


def test_the_layer_is_looked_up_by_cloudformation() -> None:
    layers = {json.dumps(one["Layers"]) for one in of_type("AWS::Lambda::Function").values()}

    assert layers == {json.dumps([{"Fn::Sub": "{{resolve:ssm:${PowertoolsLayer}}}"}])}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_functions_handler_is_there(name: str) -> None:
    module, _, function = translated().resources[f"{name}Function"].properties["Handler"].rpartition(".")

    assert callable(getattr(importlib.import_module(module), function))


# The API --------------------------------------------------------------------------------------------------

OPEN = {("get", "/"), ("get", "/docs"), ("get", "/health"), ("get", "/openapi.json")}


def routes() -> dict[tuple[str, str], dict[str, Any]]:
    (api,) = of_type("AWS::ApiGateway::RestApi").values()
    return {
        (method, path): operation
        for path, operations in api["Body"]["paths"].items()
        for method, operation in operations.items()
    }


def function_of(operation: dict[str, Any]) -> str:
    found = re.search(r"\$\{(\w+)\.Arn\}", json.dumps(operation["x-amazon-apigateway-integration"]["uri"]))
    assert found
    return found[1]


def test_jobs_are_submitted_to_submit_and_all_else_goes_to_api() -> None:
    submits = {("post", f"/sdapi/v1/{kind.value}") for kind in Kind} | {("post", "/jobs")}

    found = {route: function_of(operation) for route, operation in routes().items()}

    assert {route for route, function in found.items() if function == "SubmitFunction"} == submits
    assert {function for route, function in found.items() if route not in submits} == {"ApiFunction"}


def test_every_route_but_the_four_open_ones_needs_a_key() -> None:
    without_key = {
        route for route, operation in routes().items() if {"api_key": []} not in operation.get("security", [])
    }

    assert without_key == OPEN


def test_v1_is_the_only_stage() -> None:
    (stage,) = of_type("AWS::ApiGateway::Stage").values()
    (deployment,) = of_type("AWS::ApiGateway::Deployment").values()

    assert stage["StageName"] == "v1"
    assert "StageName" not in deployment, "SAM adds a stage of its own"


def test_api_gateways_own_errors_are_problem_documents() -> None:
    responses = load_yaml(PATH)["Resources"]["Api"]["Properties"]["GatewayResponses"]

    assert {"INVALID_API_KEY", "THROTTLED", "QUOTA_EXCEEDED", "REQUEST_TOO_LARGE"} <= set(responses)
    assert {"MISSING_AUTHENTICATION_TOKEN", "DEFAULT_4XX", "DEFAULT_5XX"} <= set(responses)
    for response in responses.values():
        text = response["ResponseTemplates"]["application/json"]
        problem = json.loads(text.replace("$context.error.messageString", '"why"'))
        # DEFAULT_4XX stands for many statuses, so its document names none: RFC 9457 leaves it out then.
        assert set(problem) == {"type", "title", "code", "detail"} | ({"status"} & set(problem))
        assert problem.get("status") == response.get("StatusCode")
        assert problem["type"] == f"urn:webui-async:{problem['code']}"
        content_type = response["ResponseParameters"]["Headers"]["Content-Type"]
        assert content_type == "'application/problem+json'"
