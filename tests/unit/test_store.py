"""The store: conditional writes, listings, links, and S3's errors as ours."""

from __future__ import annotations

import io
import random
import urllib.parse
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    IncompleteReadError,
    ResponseStreamingError,
)
from moto import mock_aws
from urllib3.exceptions import SSLError

from webui_async.contract import keys
from webui_async.contract.errors import JobCanceled, ObjectReplaced, StoreError
from webui_async.contract.job import Result
from webui_async.store import Store

JOB_ID = "01948f3e-7a10-7cc1-9b5e-3f0a6c2d8e41"


@pytest.fixture
def store() -> Iterator[Store]:
    with mock_aws():
        s3 = boto3.client("s3", config=Config(signature_version="s3v4"))
        s3.create_bucket(Bucket="art", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield Store(s3, "art")


class Refusing:
    """An S3 client whose calls fail the same way, a number of times."""

    def __init__(self, error: Exception, times: int = 10**6):
        self.error, self.left, self.calls = error, times, 0

    def __getattr__(self, name: str) -> Any:
        def call(**_: Any) -> Any:
            self.calls += 1
            self.left -= 1
            if self.left >= 0:
                raise self.error
            return {}

        return call


def refusing(code: str, times: int = 10**6) -> tuple[Store, Refusing]:
    client = Refusing(ClientError({"Error": {"Code": code, "Message": "no"}}, "Any"), times)
    return Store(client, "b"), client  # type: ignore[arg-type]


def test_what_was_written_is_read(store: Store) -> None:
    assert store.put_json("k", {"a": 1, "text": "船"})
    assert store.get_json("k") == {"a": 1, "text": "船"}
    assert store.get_bytes("k") == b'{"a":1,"text":"\\u8239"}'


def test_what_is_not_there_is_none(store: Store) -> None:
    assert store.get_bytes("k") is None
    assert store.get_json("k") is None
    assert not store.exists("k")
    store.delete("k")


def test_the_first_of_two_conditional_writes_stands(store: Store) -> None:
    assert store.put_json("k", {"first": True}, if_absent=True)
    assert not store.put_json("k", {"first": False}, if_absent=True)
    assert store.get_json("k") == {"first": True}


def test_only_412_means_lost_409_is_tried_again() -> None:
    store, client = refusing("ConditionalRequestConflict", times=3)
    assert store.put_json("k", {}, if_absent=True)
    assert client.calls == 4
    store, client = refusing("PreconditionFailed")
    assert not store.put_json("k", {}, if_absent=True)
    assert client.calls == 1


def test_a_write_of_ours_whose_answer_was_lost_is_not_taken_for_somebody_elses(store: Store) -> None:
    store.put_json("k", {"first": True})
    # What botocore's second try meets when the first one was written and its answer lost.
    store.s3.meta.events.register("after-call.s3.PutObject", _repeated)
    assert store.put_json("k", {"first": True}, if_absent=True)
    assert not store.put_json("k", {"first": False}, if_absent=True)


def _repeated(parsed: dict[str, Any], **_: Any) -> None:
    parsed["ResponseMetadata"]["RetryAttempts"] = 1


def test_a_write_that_is_contended_for_ever_is_an_error() -> None:
    store, _ = refusing("ConditionalRequestConflict")
    with pytest.raises(StoreError):
        store.put_json("k", {}, if_absent=True)


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.get_bytes("k"),
        lambda store: store.get_json("k"),
        lambda store: store.put_json("k", {}),
        lambda store: store.exists("k"),
        lambda store: store.head("k"),
        lambda store: list(store.read_range("k", "etag", 0, 9)),
        lambda store: store.delete("k"),
        lambda store: list(store.list("k")),
    ],
)
@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "Any"),
        EndpointConnectionError(endpoint_url="http://x"),
    ],
)
def test_what_s3_refuses_is_an_error_of_ours(call: Any, error: Exception) -> None:
    with pytest.raises(StoreError):
        call(Store(Refusing(error), "b"))  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[1]", b"7"])
def test_an_object_that_is_no_json_object_is_an_error_that_names_it(store: Store, data: bytes) -> None:
    store.put_bytes("k", data, "application/json")
    with pytest.raises(StoreError, match="s3://art/k"):
        store.get_json("k")


def test_nan_is_never_written(store: Store) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.put_json("k", {"a": float("nan")})
    assert not store.exists("k")


def test_a_listing_is_in_key_order_and_goes_past_a_thousand(store: Store) -> None:
    for number in range(1003):
        store.s3.put_object(Bucket="art", Key=f"p/{number:04}", Body=b"x")
    assert [entry.key for entry in store.list("p/")] == [f"p/{number:04}" for number in range(1003)]
    assert [entry.key for entry in store.list("p/", after="p/0999")] == ["p/1000", "p/1001", "p/1002"]
    assert [entry.key for entry in store.list("p/", limit=2)] == ["p/0000", "p/0001"]
    assert len(list(store.list("p/", limit=1002))) == 1002
    assert list(store.list("p/", limit=0)) == []
    assert list(store.list("q/")) == []


def test_files_are_the_objects_of_one_job(store: Store) -> None:
    store.put_json(keys.queued(JOB_ID, 2), {})
    store.put_mark(keys.cancel(JOB_ID))
    store.put_mark(keys.cancel(JOB_ID[:-1] + "0"))
    files = store.files(JOB_ID)
    assert files.sizes == {"attempts/2/queued.json": 2, "cancel.json": 0}
    assert files.last_attempt == 2


def test_the_first_ending_stands(store: Store) -> None:
    first, second = (Result.of_error(JOB_ID, JobCanceled(text), 1.0) for text in ("first", "second"))
    assert store.end(first)
    assert not store.end(second)
    assert store.result(JOB_ID) == first


def test_a_document_that_is_not_there_is_none(store: Store) -> None:
    assert (
        store.job(JOB_ID)
        is store.attempt(JOB_ID, 1)
        is store.progress(JOB_ID)
        is store.result(JOB_ID)
        is None
    )


def test_links_are_sigv4_and_end(store: Store) -> None:
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(store.presign_get("k", 60)).query)
    assert query["X-Amz-Expires"] == ["60"]
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]


def test_a_link_to_put_signs_size_and_type(store: Store) -> None:
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(store.presign_put("k", 60, 7, "image/png")).query)
    assert query["X-Amz-SignedHeaders"] == ["content-length;content-type;host"]


def test_a_head_tells_all_but_the_bytes(store: Store) -> None:
    store.s3.put_object(Bucket="art", Key="k", Body=b"12345", Metadata={"sha256": "ab"})
    head = store.head("k")
    assert head is not None and (head.size, dict(head.metadata)) == (5, {"sha256": "ab"})
    (entry,) = store.list("k")
    assert int(head.modified) == int(entry.modified)
    assert store.head("absent") is None


@pytest.mark.parametrize(("start", "end"), [(0, 1_000_000), (0, 1), (300_000, 900_001), (999_999, 1_000_000)])
def test_a_range_is_read_whole(store: Store, start: int, end: int) -> None:
    data = random.Random(1).randbytes(1_000_000)
    store.s3.put_object(Bucket="art", Key="k", Body=data)
    head = store.head("k")
    assert head is not None
    assert b"".join(store.read_range("k", head.etag, start, end)) == data[start:end]


def test_a_range_of_an_object_that_was_replaced_or_removed_is_refused(store: Store) -> None:
    store.put_mark("k")
    head = store.head("k")
    assert head is not None
    store.put_bytes("k", b"another", "text/plain")
    with pytest.raises(ObjectReplaced, match="s3://art/k was replaced or removed"):
        list(store.read_range("k", head.etag, 0, 5))
    store.delete("k")
    with pytest.raises(ObjectReplaced, match="s3://art/k was replaced or removed"):
        list(store.read_range("k", head.etag, 0, 5))


class Breaking(io.BytesIO):
    """A body that ends before its time, in one way or another."""

    def __init__(self, ending: Exception | None):
        super().__init__(b"123")
        self.ending = ending

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if not data and self.ending is not None:
            raise self.ending
        return data


@pytest.mark.parametrize(
    "ending",
    [
        None,
        ResponseStreamingError(error="reset"),
        IncompleteReadError(actual_bytes=3, expected_bytes=9),
        SSLError(),
    ],
)
def test_a_range_that_breaks_off_is_an_error_after_the_bytes_that_came(ending: Exception | None) -> None:
    store, client = refusing("any")
    body = Breaking(ending)
    client.get_object = lambda **_: {"Body": body}  # type: ignore[attr-defined]
    chunks = store.read_range("k", "etag", 0, 9)
    assert next(chunks) == b"123"
    with pytest.raises(StoreError, match=r"k.* (broke off|ended) at byte 3"):
        next(chunks)
    assert body.closed


def test_a_missing_key_that_s3_calls_forbidden_is_absent_when_a_listing_says_so() -> None:
    store, client = refusing("AccessDenied", times=1)
    assert store.get_bytes("jobs/1/cancel.json") is None
    assert client.calls == 2
    assert not refusing("403", times=1)[0].exists("jobs/1/cancel.json")


def test_a_key_that_is_there_and_forbidden_is_an_error() -> None:
    store, client = refusing("AccessDenied", times=1)
    client.list_objects_v2 = lambda **_: {"Contents": [{"Key": "jobs/1/request.json"}]}  # type: ignore[attr-defined]
    with pytest.raises(StoreError):
        store.get_bytes("jobs/1/request.json")
