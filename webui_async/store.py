"""Reads and writes of the contract's keys in one bucket. The one seam to S3."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from webui_async.contract import keys
from webui_async.contract.errors import ObjectReplaced, StoreError
from webui_async.contract.job import Attempt, Job, JobFiles, Progress, Result

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_Args = ParamSpec("_Args")
_Reply = TypeVar("_Reply")
_ABSENT = ("404", "NoSuchKey", "NotFound")
#: S3's answer for a missing key too, to a role whose List permission is bound to a prefix.
_DENIED = ("403", "AccessDenied")
#: S3 answers 412 when somebody was first and 409 while somebody else is writing: only 412 means lost.
_LOST = "PreconditionFailed"
_CONTENDED = "ConditionalRequestConflict"
_CONTENDED_TRIES = 5
#: Large enough to cost few calls, small enough to stay in the processor's cache on its way to the disk.
_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True)
class Entry:
    """One object of a listing."""

    key: str
    size: int
    modified: float  #: seconds since 1970


@dataclass(frozen=True)
class Head:
    """What S3 tells of an object without its bytes."""

    size: int
    etag: str  #: names these very bytes, quotes included
    modified: float  #: seconds since 1970
    metadata: Mapping[str, str]  #: the x-amz-meta- headers


def _ours(call: Callable[_Args, _Reply]) -> Callable[_Args, _Reply]:
    """Botocore's errors as StoreError."""

    @wraps(call)
    def wrapped(*args: _Args.args, **kwargs: _Args.kwargs) -> _Reply:
        try:
            return call(*args, **kwargs)
        except (ClientError, BotoCoreError) as error:
            raise StoreError(f"S3 {call.__name__}{args[1:2]} failed: {error}") from error

    return wrapped


class Store:
    """The bucket. Every method raises StoreError when S3 refuses or cannot be reached."""

    def __init__(self, s3: S3Client, bucket: str):
        self.s3, self.bucket = s3, bucket

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    @_ours
    def get_bytes(self, key: str) -> bytes | None:
        """The object's bytes, or None when there is none."""
        try:
            return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except ClientError as error:
            if self._is_absent(key, error):
                return None
            raise

    def get_json(self, key: str) -> dict[str, Any] | None:
        """The JSON object at `key`, or None when there is none."""
        data = self.get_bytes(key)
        if data is None:
            return None
        try:
            document = json.loads(data)
        except ValueError as error:
            raise StoreError(f"{self.uri(key)} is not JSON: {error}") from error
        if not isinstance(document, dict):
            raise StoreError(f"{self.uri(key)} is no JSON object")
        return document

    @_ours
    def put_bytes(self, key: str, data: bytes, content_type: str, if_absent: bool = False) -> bool:
        """True when written; False only when `if_absent` and somebody else was first."""
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if if_absent else {}
        for last in [False] * (_CONTENDED_TRIES - 1) + [True]:
            try:
                self.s3.put_object(
                    Bucket=self.bucket, Key=key, Body=data, ContentType=content_type, **condition
                )
                return True
            except ClientError as error:
                if _code(error) == _LOST:
                    return _was_repeated(error) and self.get_bytes(key) == data
                if _code(error) != _CONTENDED or last:
                    raise
        return False

    def put_json(self, key: str, document: dict[str, Any], if_absent: bool = False) -> bool:
        """True when written; False only when `if_absent` and somebody else was first."""
        data = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
        return self.put_bytes(key, data, "application/json", if_absent)

    def put_mark(self, key: str) -> None:
        """An empty object whose name says it all."""
        self.put_bytes(key, b"", "application/octet-stream")

    @_ours
    def exists(self, key: str) -> bool:
        """Whether there is an object at `key`."""
        try:
            self.s3.head_object(Bucket=self.bucket, Key=key)
            return True
        except ClientError as error:
            if self._is_absent(key, error):
                return False
            raise

    @_ours
    def head(self, key: str) -> Head | None:
        """What there is at `key`, or None."""
        try:
            answer = self.s3.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if self._is_absent(key, error):
                return None
            raise
        modified = answer["LastModified"].timestamp()
        return Head(answer["ContentLength"], answer["ETag"], modified, answer["Metadata"])

    def read_range(self, key: str, etag: str, start: int, end: int) -> Iterator[bytes]:
        """The object's bytes from `start` until before `end`, in chunks, while it is the one of that ETag.

        Raises ObjectReplaced when it is not.
        """
        try:
            answer = self.s3.get_object(
                Bucket=self.bucket, Key=key, IfMatch=etag, Range=f"bytes={start}-{end - 1}"
            )
            with contextlib.closing(answer["Body"]) as body:
                while start < end:
                    chunk = body.read(min(_CHUNK_BYTES, end - start))
                    if not chunk:
                        raise StoreError(f"{self.uri(key)} ended at byte {start}, before {end}")
                    start += len(chunk)
                    yield chunk
        except ClientError as error:
            if _code(error) in (_LOST, *_ABSENT):
                raise ObjectReplaced(f"{self.uri(key)} was replaced or removed while it was read") from error
            raise StoreError(f"S3 read_range('{key}',) failed: {error}") from error
        except (BotoCoreError, HTTPError) as error:
            raise StoreError(f"S3 read_range('{key}',) broke off at byte {start}: {error}") from error

    def _is_absent(self, key: str, error: ClientError) -> bool:
        """Whether the refusal means that nothing is at `key`; a LIST tells that from "forbidden"."""
        if _code(error) in _ABSENT:
            return True
        if _code(error) not in _DENIED:
            return False
        answer = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=key, MaxKeys=1)
        return all(item["Key"] != key for item in answer.get("Contents", ()))

    @_ours
    def delete(self, key: str) -> None:
        """Nothing is at `key` afterwards, also when nothing was there."""
        self.s3.delete_object(Bucket=self.bucket, Key=key)

    def list(self, prefix: str, after: str = "", limit: int | None = None) -> Iterator[Entry]:
        """The objects under `prefix` in key order, those after the key `after`, at most `limit`."""
        page: dict[str, Any] = {"StartAfter": after} if after else {}
        left = limit
        while left is None or left > 0:
            answer = self._list_page(prefix, min(1000, left or 1000), page)
            for item in answer.get("Contents", ()):
                yield Entry(item["Key"], item["Size"], item["LastModified"].timestamp())
            left = None if left is None else left - answer["KeyCount"]
            if not answer["IsTruncated"]:
                return
            page = {"ContinuationToken": answer["NextContinuationToken"]}

    @_ours
    def _list_page(self, prefix: str, size: int, page: dict[str, Any]) -> Any:
        return self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=size, **page)

    @_ours
    def presign_get(self, key: str, ttl_s: int) -> str:
        """A link that anybody may read the object with for `ttl_s` seconds."""
        request = {"Bucket": self.bucket, "Key": key}
        return self.s3.generate_presigned_url("get_object", Params=request, ExpiresIn=ttl_s)

    @_ours
    def presign_put(self, key: str, ttl_s: int, size_bytes: int, content_type: str) -> str:
        """A link that takes one PUT of exactly `size_bytes` of `content_type`: both headers are signed."""
        request = {
            "Bucket": self.bucket,
            "Key": key,
            "ContentLength": size_bytes,
            "ContentType": content_type,
        }
        return self.s3.generate_presigned_url("put_object", Params=request, ExpiresIn=ttl_s)

    # The documents of a job -----------------------------------------------------------------------------

    def job(self, job_id: str) -> Job | None:
        document = self.get_json(keys.request(job_id))
        return Job.from_json(document) if document else None

    def attempt(self, job_id: str, number: int) -> Attempt | None:
        document = self.get_json(keys.queued(job_id, number))
        return Attempt.from_json(document) if document else None

    def progress(self, job_id: str) -> Progress | None:
        document = self.get_json(keys.progress(job_id))
        return Progress.from_json(document) if document else None

    def result(self, job_id: str) -> Result | None:
        document = self.get_json(keys.result(job_id))
        return Result.from_json(document) if document else None

    def end(self, result: Result) -> bool:
        """True when this ending stands; False when the job had ended before."""
        return self.put_json(keys.result(result.job_id), result.to_json(), if_absent=True)

    def files(self, job_id: str) -> JobFiles:
        """Which objects of the job exist, from one LIST."""
        prefix = keys.job(job_id)
        entries = list(self.list(prefix))
        return JobFiles(
            job_id,
            {entry.key.removeprefix(prefix): entry.size for entry in entries},
            {entry.key.removeprefix(prefix): entry.modified for entry in entries},
        )


def _was_repeated(error: ClientError) -> bool:
    """Whether botocore sent the request again: the first try may have arrived, and only its answer not."""
    return error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0) > 0


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
