"""SageMaker's runtime API, as far as an asynchronous endpoint has one: InvokeEndpointAsync."""

from __future__ import annotations

import asyncio
import functools
import re
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import botocore.session
from botocore.model import OperationModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from webui_async.local.async_runtime import AsyncRuntime
from webui_async.local.endpoint_spec import EndpointSpec
from webui_async.local.invocation import Invocation
from webui_async.local.service_model import violations

ACTION = "sagemaker:InvokeEndpointAsync"
#: SageMaker's own defaults.
TTL_S, TIMEOUT_S = 21600, 900
_ACCESS_KEY = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/\s]+)/")

#: (access key id, action, resource) -> whether IAM allows it
IsAllowed = Callable[[str, str, str], bool]


class Refused(Exception):
    """An answer in AWS's form that is no 2xx."""

    def __init__(self, status: int, code: str, text: str):
        super().__init__(text)
        self.status, self.code = status, code


class RuntimeApi:
    """One POST. Signatures are not verified: whose access key it is decides what is allowed."""

    def __init__(
        self,
        find: Callable[[str], Awaitable[AsyncRuntime | None]],
        arn_of: Callable[[str], str],
        is_allowed: IsAllowed | None,
        now: Callable[[], float],
    ):
        """find: an endpoint's runtime by its name; arn_of: what policies call the endpoint of that name."""
        self._find, self._arn_of, self._is_allowed, self._now = find, arn_of, is_allowed, now
        path = "/endpoints/{name}/async-invocations"
        self.app = Starlette(routes=[Route(path, self._invoke_async, methods=["POST"])])

    async def _invoke_async(self, request: Request) -> Response:
        try:
            invocation = await self._accept(request)
        except Refused as refusal:
            return JSONResponse({"message": str(refusal)}, refusal.status, {"x-amzn-ErrorType": refusal.code})
        headers = {"X-Amzn-SageMaker-OutputLocation": invocation.output_uri}
        if invocation.failure_uri is not None:
            headers["X-Amzn-SageMaker-FailureLocation"] = invocation.failure_uri
        return JSONResponse({"InferenceId": invocation.inference_id}, 202, headers)

    async def _accept(self, request: Request) -> Invocation:
        name = request.path_params["name"]
        await self._authorize(request.headers.get("authorization", ""), name)
        parameters = await _parameters(request)
        if found := violations(_operation().input_shape, parameters):
            plural = "error" if len(found) == 1 else "errors"
            raise _invalid(f"{len(found)} validation {plural} detected: {'; '.join(found)}")
        if ("InputLocation" in parameters) == ("Body" in parameters):
            raise _invalid("Provide either InputLocation or Body, and not both")
        if not parameters.get("InputLocation", "s3://").startswith("s3://"):
            raise _invalid("InputLocation must be an s3:// uri on this machine")
        runtime = await self._find(name)
        if runtime is None:
            raise _invalid(f"Endpoint {name} of account {self._arn_of(name).split(':')[4]} not found.")
        invocation = make_invocation(runtime.spec, parameters, self._now(), str(uuid.uuid4()))
        runtime.accept(invocation)
        return invocation

    async def _authorize(self, authorization: str, name: str) -> None:
        signed = _ACCESS_KEY.match(authorization)
        if signed is None:
            raise Refused(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        if self._is_allowed is None:
            return
        access_key, resource = signed.group(1), self._arn_of(name)
        if not await asyncio.to_thread(self._is_allowed, access_key, ACTION, resource):
            raise Refused(
                403,
                "AccessDeniedException",
                f"User with access key {access_key} is not authorized to perform: {ACTION} "
                f"on resource: {resource}",
            )


def make_invocation(spec: EndpointSpec, parameters: dict[str, Any], now: float, output_id: str) -> Invocation:
    """What was accepted. `output_id` names its objects: SageMaker does not use the InferenceId for that."""
    folder = "/".join(filter(None, (spec.output_uri, parameters.get("S3OutputPathExtension", "").strip("/"))))
    return Invocation(
        inference_id=parameters.get("InferenceId", output_id),
        input_uri=parameters.get("InputLocation"),
        body=parameters.get("Body", b""),
        content_type=parameters.get("ContentType", "application/octet-stream"),
        accept=parameters.get("Accept"),
        custom_attributes=parameters.get("CustomAttributes"),
        received_at=now,
        expires_at=now + parameters.get("RequestTTLSeconds", TTL_S),
        timeout_s=parameters.get("InvocationTimeoutSeconds", TIMEOUT_S),
        output_uri=f"{folder}/{parameters.get('Filename', f'{output_id}.out')}",
        failure_uri=f"{spec.failure_uri}/{output_id}-error.out" if spec.failure_uri else None,
    )


@functools.cache
def _operation() -> OperationModel:
    model = botocore.session.get_session().get_service_model("sagemaker-runtime")
    return model.operation_model("InvokeEndpointAsync")


async def _parameters(request: Request) -> dict[str, Any]:
    """The call's parameters by their names in the service model."""
    parameters: dict[str, Any] = {"EndpointName": request.path_params["name"]}
    for name, shape in _operation().input_shape.members.items():  # type: ignore[union-attr]
        text = request.headers.get(shape.serialization.get("name", ""))
        if shape.serialization.get("location") == "header" and text is not None:
            parameters[name] = _whole_number(name, text) if shape.type_name == "integer" else text
    if body := await request.body():
        parameters["Body"] = body
    return parameters


def _whole_number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise Refused(400, "SerializationException", f"{name} is not a whole number") from error


def _invalid(text: str) -> Refused:
    return Refused(400, "ValidationError", text)
