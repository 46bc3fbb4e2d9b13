"""IAM in front of moto: every request is signed by somebody, and allowed by that somebody's policies.

moto has an enforcement of its own, and this takes its place: moto's cannot serve presigned links, ignores
conditions (so it would read the write-once policy as "deny all"), and knows no resource outside S3.

An Allow has to come from the caller's own policies; a resource's policy (bucket, queue, topic) can only deny.
Loopback stands for TLS: `aws:SecureTransport` is true. Sessions do not run out.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote
from xml.sax.saxutils import escape

from webui_async.local.actions import calls_of
from webui_async.local.policy import Call, Document, Principal, Verdict, judge
from webui_async.local.signatures import HttpRequest, is_over, is_signed_by, read_signature

log = logging.getLogger(__name__)

StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


@dataclass(frozen=True)
class Caller:
    """Who holds an access key."""

    arn: str
    role_arn: str  #: what resource policies name: the role of a session, or the user itself
    secret: str
    session_token: str | None
    policies: tuple[Document, ...]


class Directory(Protocol):
    """What the authority has to know of the account."""

    account: str

    def caller(self, access_key_id: str) -> Caller | None:
        """Who holds the key; None when nobody does."""

    def resource_policies(self, service: str, arn: str) -> tuple[Document, ...]:
        """The policies that hang on the resource itself."""


class Refusal(Exception):
    """The request is not served."""

    def __init__(self, code: str, message: str, status: int = 403):
        super().__init__(message)
        self.code, self.status = code, status


class Authority:
    """A WSGI application that lets through what is signed and allowed."""

    def __init__(self, application: Application, directory: Directory, now: Callable[[], float]):
        self.application, self.directory, self.now = application, directory, now

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        request = _request_of(environ)
        if request.method == "OPTIONS":  # a browser's preflight carries no signature
            return self.application(environ, start_response)
        try:
            caller, service, region = self._authenticate(request)
            for call in calls_of(request, service, region, self.directory.account):
                self._authorize(caller, service, call)
            if service == "s3" and request.method in ("GET", "HEAD"):
                return self._hide_absence(caller, request, environ, start_response)
        except Refusal as refusal:
            log.warning("%s %s: %s", request.method, request.path, refusal)
            return _answer(refusal, request, start_response)
        return self.application(environ, start_response)

    def _authenticate(self, request: HttpRequest) -> tuple[Caller, str, str]:
        signature = read_signature(request)
        if signature is None:
            raise Refusal("AccessDenied", "The request is not signed with Signature Version 4")
        caller = self.directory.caller(signature.access_key_id)
        if caller is None or caller.session_token != signature.session_token:
            raise Refusal(
                "InvalidAccessKeyId", f"There is no access key {signature.access_key_id[:32]!r} here"
            )
        if not is_signed_by(request, signature, caller.secret):
            raise Refusal("SignatureDoesNotMatch", "The signature is not that of this request")
        if is_over(signature, self.now()):
            raise Refusal("AccessDenied", "Request has expired")
        return caller, signature.service, signature.scope.split("/")[1]

    def _authorize(self, caller: Caller, service: str, call: Call) -> None:
        if call.action == "sts:GetCallerIdentity":
            return
        if not self._is_allowed(caller, service, call):
            raise Refusal(
                "AccessDenied" if service == "s3" else "AccessDeniedException",
                f"User: {caller.arn} is not authorized to perform: {call.action} on {call.resource}",
            )

    def _is_allowed(self, caller: Caller, service: str, call: Call) -> bool:
        hung = self.directory.resource_policies(service, call.resource)
        return (
            judge(caller.policies, call) is Verdict.ALLOWED
            and judge(hung, call, Principal("AWS", caller.role_arn)) is not Verdict.DENIED
        )

    def _hide_absence(
        self, caller: Caller, request: HttpRequest, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        """S3 tells only those who may list the key that it is not there; to others it is 403.

        The key is the listing's s3:prefix. Source: ceph pull request 68577, which follows S3 in this.
        """
        bucket, _, key = unquote(request.path).lstrip("/").partition("/")
        context = {"aws:SecureTransport": "true", "s3:prefix": key}
        listing = Call("s3:ListBucket", f"arn:aws:s3:::{bucket}", context)
        if self._is_allowed(caller, "s3", listing):
            return self.application(environ, start_response)
        answer = _Answer()
        body = self.application(environ, answer.start)
        if answer.status.startswith("404"):
            raise Refusal("AccessDenied", f"User: {caller.arn} may not know whether this key exists")
        start_response(answer.status, answer.headers)
        return body


class _Answer:
    """Holds back the head of an answer until we know whether to give it."""

    status = ""
    headers: list[tuple[str, str]]

    def start(self, status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
        self.status, self.headers = status, headers


def _request_of(environ: dict[str, Any]) -> HttpRequest:
    """The request; its body is read, and put back, unless it is an object on its way to S3."""
    headers = {
        name[5:].replace("_", "-").lower(): _utf8(str(value))
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    path, _, query = str(environ["REQUEST_URI"]).partition("?")
    body = b""
    is_object = "/s3/aws4_request" in headers.get("authorization", "") and "delete" not in query
    if headers.get("content-length") and not is_object and "X-Amz-Signature=" not in query:
        body = environ["wsgi.input"].read(int(headers["content-length"]))
        environ["wsgi.input"] = io.BytesIO(body)
    return HttpRequest(environ["REQUEST_METHOD"], path, query, headers, body)


def _utf8(text: str) -> str:
    """WSGI gives header bytes as latin-1; clients sign them as UTF-8."""
    return text.encode("latin-1", "replace").decode("utf-8", "replace")


def _answer(refusal: Refusal, request: HttpRequest, start_response: StartResponse) -> list[bytes]:
    message = str(refusal)
    error = f"<Error><Code>{refusal.code}</Code><Message>{escape(message)}</Message></Error>"
    if "x-amz-target" in request.headers:
        body = json.dumps({"__type": refusal.code, "message": message}).encode()
        status, content_type = "400 Bad Request", "application/x-amz-json-1.0"
    elif request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        body = f"<ErrorResponse>{error}<RequestId>local</RequestId></ErrorResponse>".encode()
        status, content_type = "403 Forbidden", "text/xml"
    else:
        body, status, content_type = error.encode(), "403 Forbidden", "application/xml"
    head = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    start_response(status, head)
    return [] if request.method == "HEAD" else [body]
