"""One asynchronous invocation, and the messages SageMaker publishes about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from webui_async.contract.times import to_iso
from webui_async.local.endpoint_spec import EndpointSpec


@dataclass(frozen=True)
class Invocation:
    """What InvokeEndpointAsync accepted."""

    inference_id: str
    input_uri: str | None  #: where the body lies, when it did not come with the call
    body: bytes
    content_type: str
    accept: str | None
    custom_attributes: str | None
    received_at: float  #: seconds since 1970
    expires_at: float  #: not begun by then, it fails
    timeout_s: float  #: how long the container may take
    output_uri: str
    failure_uri: str | None

    @property
    def headers(self) -> dict[str, str]:
        """What the container gets to see."""
        headers = {
            "Content-Type": self.content_type,
            "Accept": self.accept,
            "X-Amzn-SageMaker-Inference-Id": self.inference_id,
            "X-Amzn-SageMaker-Custom-Attributes": self.custom_attributes,
        }
        return {name: value for name, value in headers.items() if value is not None}


@dataclass(frozen=True)
class Answer:
    """What came of an invocation."""

    body: bytes
    content_type: str
    failure: str | None = None  #: SageMaker's failureReason


def failed(reason: str, body: bytes | None = None, content_type: str = "text/plain") -> Answer:
    """A failure; the object at S3FailurePath holds `body`, or the reason when the container said nothing."""
    return Answer(reason.encode() if body is None else body, content_type, reason)


def refused_by_container(status: int, body: bytes | None = None, content_type: str = "text/plain") -> Answer:
    """The failure of an answer that is no 2xx, in the words SageMaker uses. 0: there was no answer."""
    side = "client" if 400 <= status < 500 else "server"
    reason = (
        f"ClientError: Received {side} error ({status}) from model. "
        "See the SageMaker Endpoint logs in your account for more information."
    )
    return failed(reason, body, content_type)


def message(spec: EndpointSpec, invocation: Invocation, answer: Answer, now: float) -> dict[str, Any]:
    """The notification, in the shape that was seen on a real account."""
    parameters = {
        "accept": invocation.accept,
        "contentType": invocation.content_type,
        "customAttributes": invocation.custom_attributes,
        "endpointName": spec.name,
        "inputLocation": invocation.input_uri,
    }
    document: dict[str, Any] = {
        "awsRegion": spec.region,
        "eventTime": to_iso(now),
        "receivedTime": to_iso(invocation.received_at),
        "invocationStatus": "Failed" if answer.failure else "Completed",
        "requestParameters": {name: value for name, value in parameters.items() if value is not None},
        "inferenceId": invocation.inference_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    if answer.failure:
        return document | {"failureReason": answer.failure}
    return document | {
        "responseParameters": {
            "contentType": answer.content_type,
            "outputLocation": invocation.output_uri,
        }
    }
