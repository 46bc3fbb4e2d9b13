"""One object on its way into the bucket: the requests that make it, and what S3 says it holds against ours.

Every part carries its CRC32. S3 refuses a part that arrives as something else; it tells the checksums of the
parts that it has, and at the end the one of the whole.
"""

from __future__ import annotations

import base64
import contextlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import ClientError

from webui_async.contract.errors import BytesDiffer, NameTaken, StoreError
from webui_async.packager.s3_errors import GO_ON, code_of, told
from webui_async.store import Store

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

#: What every model file's object carries: the SHA-256 of the whole of it, 64 hex digits.
SHA256 = "sha256"
#: Of the checksum that each part carries. SHA-256 runs over the whole already, at a third of its speed.
ALGORITHM: Final = "CRC32"
_LOST = "PreconditionFailed"
_FORGOTTEN = "NoSuchUpload"


@dataclass(frozen=True)
class Part:
    """A part that S3 has."""

    number: int
    etag: str
    size_bytes: int
    crc32: str | None  #: in base64, as S3 writes it; None from a store that does not tell


def crc32_of(data: bytes | bytearray) -> str:
    """As S3 writes it."""
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def crc32_of_parts(parts: Sequence[Part]) -> str:
    """S3's checksum of an object in parts: of the parts' checksums in a row, and how many there are."""
    checksums = b"".join(base64.b64decode(part.crc32 or "") for part in parts)
    return f"{crc32_of(checksums)}-{len(parts)}"


class S3Object:
    """The object that will be at `key`. Every method raises StoreError.

    is_new: nothing that is there already is written over; NameTaken is raised instead.
    """

    def __init__(self, store: Store, key: str, metadata: Mapping[str, str], is_new: bool = False):
        self._store, self._s3, self._key, self.uri = store, store.s3, key, store.uri(key)
        self._bucket, self._metadata = store.bucket, dict(metadata)
        self._condition: dict[str, Any] = {"IfNoneMatch": "*"} if is_new else {}
        self._upload_id = ""

    def put(self, body: bytes) -> None:
        """The whole of a small object."""
        crc32 = crc32_of(body)
        with told(self.uri):
            try:
                answer = self._s3.put_object(
                    Bucket=self._bucket,
                    Key=self._key,
                    Body=body,
                    Metadata=self._metadata,
                    ChecksumAlgorithm=ALGORITHM,
                    ChecksumCRC32=crc32,
                    **self._condition,
                )
            except ClientError as error:
                self._settle(error)
            else:
                self._verify(answer, crc32)

    def begin(self) -> None:
        """S3 waits for parts."""
        with told(self.uri):
            answer = self._s3.create_multipart_upload(
                Bucket=self._bucket,
                Key=self._key,
                Metadata=self._metadata,
                ChecksumAlgorithm=ALGORITHM,
                ChecksumType="COMPOSITE",
            )
        self._upload_id = answer["UploadId"]

    def go_on(self, upload_id: str) -> dict[int, Part]:
        """The parts, by number, that S3 has of an upload that broke off. It waits for the others."""
        self._upload_id = upload_id
        pages = self._s3.get_paginator("list_parts")
        parts = {}
        with told(self.uri):
            for page in pages.paginate(Bucket=self._bucket, Key=self._key, UploadId=upload_id):
                for item in page.get("Parts", ()):
                    number, crc32 = item["PartNumber"], item.get("ChecksumCRC32")
                    parts[number] = Part(number, item["ETag"], item["Size"], crc32)
        return parts

    def send(self, number: int, body: bytes | bytearray, crc32: str) -> Part:
        """One part. May be called from several threads at once."""
        with told(self.uri):
            answer = self._s3.upload_part(
                Bucket=self._bucket,
                Key=self._key,
                UploadId=self._upload_id,
                PartNumber=number,
                Body=cast(bytes, body),  # botocore takes a bytearray as well
                ChecksumAlgorithm=ALGORITHM,
                ChecksumCRC32=crc32,
            )
        self._compare(answer, crc32)
        return Part(number, answer["ETag"], len(body), crc32)

    def complete(self, parts: Sequence[Part]) -> None:
        """The parts are the object now."""
        sent: list[CompletedPartTypeDef] = [
            {"PartNumber": part.number, "ETag": part.etag, "ChecksumCRC32": part.crc32 or ""}
            for part in parts
        ]
        with told(self.uri):
            try:
                answer = self._s3.complete_multipart_upload(
                    Bucket=self._bucket,
                    Key=self._key,
                    UploadId=self._upload_id,
                    MultipartUpload={"Parts": sent},
                    **self._condition,
                )
            except ClientError as error:
                self._settle(error)
            else:
                self._verify(answer, crc32_of_parts(parts))

    def abort(self) -> None:
        """S3 forgets the parts it has, as far as it can be reached."""
        if self._upload_id:
            with contextlib.suppress(StoreError), told(self.uri):
                self._s3.abort_multipart_upload(Bucket=self._bucket, Key=self._key, UploadId=self._upload_id)

    def _verify(self, answer: Mapping[str, Any], crc32: str) -> None:
        """The whole object is what was sent, or it is not there any more."""
        try:
            self._compare(answer, crc32)
        except BytesDiffer:
            self._store.delete(self._key)
            raise

    def _compare(self, answer: Mapping[str, Any], crc32: str) -> None:
        told_crc32 = answer.get("ChecksumCRC32", crc32)
        if told_crc32 != crc32:
            raise BytesDiffer(
                f"{self.uri}: S3 has checksum {told_crc32}, and what was sent has {crc32}. {GO_ON}"
            )

    def _settle(self, error: ClientError) -> None:
        """Nothing when the object is there all the same: an answer was lost, or somebody else made it."""
        code = code_of(error)
        if code not in (_LOST, _FORGOTTEN):
            raise error
        head = self._store.head(self._key)
        if head is not None and dict(head.metadata) == self._metadata:
            return
        if code == _LOST:
            raise NameTaken(f"{self.uri} is there already and holds something else") from error
        raise error
