"""What SageMaker's runtime API refuses."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from webui_async.local import service_model


def refusal(world: Any, **parameters: Any) -> tuple[int, str, str]:
    request = {"EndpointName": "sd", "InputLocation": "s3://art/x"} | parameters
    # The refusal is to come from the other side.
    world.runtime.meta.events.unregister(service_model.EVENT, service_model.check_parameters)
    with pytest.raises(ClientError) as caught:
        world.runtime.invoke_endpoint_async(**request)
    response = caught.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return status, response["Error"]["Code"], response["Error"]["Message"]


def test_an_unknown_endpoint_is_named(world: Any) -> None:
    world.host()
    assert refusal(world, EndpointName="nobody") == (
        400,
        "ValidationError",
        "Endpoint nobody of account 123456789012 not found.",
    )


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        ({"InferenceId": "x" * 65}, "'inferenceId' failed to satisfy constraint: Member must have length"),
        (
            {"InferenceId": "\u00e4"},
            "'inferenceId' failed to satisfy constraint: Member must satisfy regular",
        ),
        ({"InputLocation": "http://x/y"}, "'inputLocation' failed to satisfy constraint"),
        ({"RequestTTLSeconds": 21601}, "value less than or equal to 21600"),
        ({"InvocationTimeoutSeconds": 3601}, "value less than or equal to 3600"),
        ({"CustomAttributes": "a" * 1025}, "'customAttributes' failed to satisfy constraint"),
        ({"EndpointName": "a" * 64}, "'endpointName' failed to satisfy constraint"),
        ({"InputLocation": "https://art.s3.amazonaws.com/x"}, "must be an s3:// uri"),
        ({"Body": b"{}"}, "Provide either InputLocation or Body"),
    ],
)
def test_what_the_service_model_forbids_is_refused(world: Any, parameters: dict[str, Any], rule: str) -> None:
    world.host()
    status, code, message = refusal(world, **parameters)
    assert (status, code) == (400, "ValidationError")
    assert rule in message


def test_who_may_not_invoke_is_refused(world: Any) -> None:
    asked = []

    def is_allowed(*question: str) -> bool:
        asked.append(question)
        return False

    world.host(is_allowed=is_allowed)
    status, code, message = refusal(world)
    assert (status, code) == (403, "AccessDeniedException")
    arn = "arn:aws:sagemaker:eu-central-1:123456789012:endpoint/sd"
    assert asked == [("caller", "sagemaker:InvokeEndpointAsync", arn)]
    assert f"not authorized to perform: sagemaker:InvokeEndpointAsync on resource: {arn}" in message


def test_a_call_without_a_signature_is_refused(world: Any) -> None:
    world.host()
    address = urlsplit(world.hosting.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port or 0)
    connection.request("POST", "/endpoints/sd/async-invocations", b"{}")
    answer = connection.getresponse()
    assert answer.status == 403
    assert answer.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
    answer.read()
    connection.close()


def test_an_endpoint_can_be_invoked_as_soon_as_it_is_created(world: Any) -> None:
    world.host(poll_s=30)
    world.create_endpoint()
    assert world.draw({"at": "once"})["order"] == {"at": "once"}


def test_a_small_body_may_come_with_the_call(world: Any) -> None:
    world.host()
    world.create_endpoint()
    answer = world.runtime.invoke_endpoint_async(EndpointName="sd", Body=b'{"inline": true}')
    message = world.messages(1)[0]
    assert "inputLocation" not in message["requestParameters"]
    assert b'"inline": true' in world.read(answer["OutputLocation"])


def test_an_endpoint_that_is_not_asynchronous_is_not_found(world: Any) -> None:
    world.host()
    world.create_endpoint()
    variants = world.sagemaker.describe_endpoint_config(EndpointConfigName="sd")["ProductionVariants"]
    world.sagemaker.create_endpoint_config(EndpointConfigName="sync", ProductionVariants=variants)
    world.sagemaker.create_endpoint(EndpointName="sync", EndpointConfigName="sync")
    assert refusal(world, EndpointName="sync")[1] == "ValidationError"
