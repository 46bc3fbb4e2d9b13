"""What passes between a client and S3: counted, and cut off where a test says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.exceptions import EndpointConnectionError
from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID

from webui_async.packager.s3_object import crc32_of

BUCKET = "art"
_READS = ("GET", "HEAD")


@dataclass
class Wire:
    """The requests of one client. Bodies pass until `left` of them have, never to a key with `cut` in it."""

    client: Any
    requests: list[str] = field(default_factory=list)  #: `PUT packs/ink/…?partNumber=1`
    sent_bytes: int = 0  #: in bodies of objects and parts
    left: int | None = None
    cut: str | None = None
    before: Callable[[str], None] | None = None  #: called with each request before it is sent

    def __post_init__(self) -> None:
        self.client.meta.events.register("before-send.s3", self._send)
        self.client.meta.events.register("after-call.s3.ListParts", _tell_checksums)

    @property
    def writes(self) -> list[str]:
        return [request for request in self.requests if not request.startswith(_READS)]

    def forget(self) -> None:
        """Counts from here on, with the network back."""
        self.requests, self.sent_bytes, self.left, self.cut = [], 0, None, None

    def _send(self, request: Any, **_: Any) -> None:
        place = urlsplit(request.url)
        # Path style or virtual-host style: moto and the client agree by themselves.
        path = unquote(place.path).lstrip("/").removeprefix(f"{BUCKET}/")
        told = f"{request.method} {path}" + (f"?{place.query}" if place.query else "")
        if self.before is not None:
            self.before(told)
        if isinstance(request.body, bytearray):
            request.body = bytes(request.body)  # a socket sends either; moto reads only this one
        size = _size(request.headers) if request.method == "PUT" else 0
        if size and (self.left == 0 or (self.cut and self.cut in path)):
            raise EndpointConnectionError(endpoint_url=request.url)
        self.left = self.left - 1 if size and self.left else self.left
        self.requests.append(told)
        self.sent_bytes += size


def _size(headers: Any) -> int:
    """Of the body, without what frames it."""
    return int(headers.get("X-Amz-Decoded-Content-Length") or headers.get("Content-Length") or 0)


def _tell_checksums(parsed: dict[str, Any], **_: Any) -> None:
    """As S3 does, for parts that were sent with a CRC32; moto leaves them out."""
    if "UploadId" in parsed:
        bucket = get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"].buckets[parsed["Bucket"]]
        held = bucket.multiparts[parsed["UploadId"]].parts
        for part in parsed.get("Parts", ()):
            part["ChecksumCRC32"] = crc32_of(held[part["PartNumber"]].value)
