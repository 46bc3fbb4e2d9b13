"""Signature Version 4, the checking side: who signed this request, and is it what they signed?

Source: IAM User Guide, "Create a signed AWS API request"; S3 API reference, "Authenticating requests".
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

_HEADER = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<credential>[^,\s]+),\s*"
    r"SignedHeaders=(?P<signed_headers>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]+)"
)
_UNSIGNED = "UNSIGNED-PAYLOAD"


@dataclass(frozen=True)
class HttpRequest:
    """A request as it came in: header names in lower case, path and query still percent-encoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""  #: empty for S3, whose clients declare the hash instead

    def query_items(self) -> dict[str, str]:
        return dict(parse_qsl(self.query, keep_blank_values=True))


@dataclass(frozen=True)
class Signature:
    """What a request says of its signer."""

    access_key_id: str
    scope: str  #: date/region/service/aws4_request
    signed_headers: tuple[str, ...]
    value: str
    timestamp: str  #: YYYYMMDDTHHMMSSZ
    session_token: str | None
    expires_s: int | None = None  #: of a presigned link

    @property
    def service(self) -> str:
        return self.scope.split("/")[2]


def read_signature(request: HttpRequest) -> Signature | None:
    """The signature in the Authorization header or in a presigned link; None when there is neither."""
    match = _HEADER.match(request.headers.get("authorization", ""))
    if match:
        access_key_id, _, scope = match["credential"].partition("/")
        headers = request.headers
        timestamp, token = headers.get("x-amz-date", ""), headers.get("x-amz-security-token")
        return _signature(access_key_id, scope, match["signed_headers"], match["signature"], timestamp, token)
    items = request.query_items()
    if "X-Amz-Signature" not in items:
        return None
    access_key_id, _, scope = items.get("X-Amz-Credential", "").partition("/")
    return _signature(
        access_key_id,
        scope,
        items.get("X-Amz-SignedHeaders", ""),
        items["X-Amz-Signature"],
        items.get("X-Amz-Date", ""),
        items.get("X-Amz-Security-Token"),
        items.get("X-Amz-Expires", "0"),
    )


def _signature(
    access_key_id: str,
    scope: str,
    signed_headers: str,
    value: str,
    timestamp: str,
    token: str | None,
    expires: str | None = None,
) -> Signature | None:
    if scope.count("/") != 3 or (expires is not None and not expires.isdigit()):
        return None
    names = tuple(signed_headers.split(";"))
    return Signature(
        access_key_id, scope, names, value, timestamp, token, None if expires is None else int(expires)
    )


def is_signed_by(request: HttpRequest, signature: Signature, secret: str) -> bool:
    """Whether the holder of `secret` signed exactly this request."""
    digest = hashlib.sha256(_canonical(request, signature).encode()).hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256", signature.timestamp, signature.scope, digest))
    key = f"AWS4{secret}".encode()
    for part in signature.scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), signature.value)


def is_over(signature: Signature, now: float) -> bool:
    """Whether a presigned link has passed its time."""
    if signature.expires_s is None:
        return False
    try:
        signed_at = datetime.datetime.strptime(signature.timestamp, "%Y%m%dT%H%M%SZ")
    except ValueError:
        return True
    return now > signed_at.replace(tzinfo=datetime.UTC).timestamp() + signature.expires_s


def _canonical(request: HttpRequest, signature: Signature) -> str:
    # S3 signs the path as it is sent; every other service signs it encoded once more.
    path = request.path if signature.service == "s3" else quote(request.path, safe="/~")
    pairs = sorted(tuple(part.partition("=")[::2]) for part in request.query.split("&") if part)
    query = "&".join(f"{name}={value}" for name, value in pairs if name != "X-Amz-Signature")
    headers = "".join(
        f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signature.signed_headers
    )
    return "\n".join(
        (
            request.method,
            path,
            query,
            headers,
            ";".join(signature.signed_headers),
            _payload_hash(request, signature),
        )
    )


def _payload_hash(request: HttpRequest, signature: Signature) -> str:
    if signature.expires_s is not None:
        return _UNSIGNED
    return request.headers.get("x-amz-content-sha256") or hashlib.sha256(request.body).hexdigest()
