"""The client, against an API of a few scripted answers."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter

from webui_async.client import (
    ApiError,
    ApiUnreachable,
    Client,
    FileInTheWay,
    JobView,
    WaitTimeout,
)
from webui_async.contract.errors import InvalidPayload, PipelineError
from webui_async.contract.job import Status

API = "https://api.example.com/v1"
JOB = "01932b4e-7c00-7000-8000-000000000001"
VIEW = {
    "id": JOB,
    "kind": "txt2img",
    "status": "queued",
    "created_at": "2026-11-20T16:00:00.000Z",
    "expires_at": "2026-11-20T22:00:00.000Z",
    "images": [],
    "urls": {"get": f"{API}/jobs/{JOB}"},
}


class Script(BaseAdapter):
    """Answers in turn, and remembers what was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[tuple[int, Any, dict[str, str]] | Exception] = []
        self.asked: list[requests.PreparedRequest] = []

    def add(self, status: int, body: Any = None, **headers: str) -> None:
        """body: bytes as they are, anything else as JSON."""
        self.answers.append((status, body, {name.replace("_", "-"): v for name, v in headers.items()}))

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body, headers = answer
        response = requests.Response()
        response.status_code, response.request, response.url = status, request, request.url or ""
        response.headers.update(headers)
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        response.raw = io.BytesIO(data)
        return response

    def close(self) -> None:
        pass

    def bodies(self) -> list[Any]:
        return [json.loads(request.body or "null") for request in self.asked]


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(script: Script, clock: Clock) -> Iterator[Client]:
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", script)
    with Client(f"{API}/", "key-1", session, clock.sleep, clock) as client:
        yield client


def test_submit_posts_the_job_with_the_key_and_only_what_was_given(client: Client, script: Script) -> None:
    script.add(202, VIEW)
    job = client.submit("txt2img", {"prompt": "a fox"}, ttl_s=600, output={"format": "jpg"})
    (asked,) = script.asked
    assert (asked.method, asked.url) == ("POST", f"{API}/jobs")
    assert asked.headers["x-api-key"] == "key-1"
    assert "Idempotency-Key" not in asked.headers
    assert script.bodies() == [
        {"kind": "txt2img", "payload": {"prompt": "a fox"}, "output": {"format": "jpg"}, "ttl_s": 600}
    ]
    assert (job.id, job.status) == (JOB, Status.QUEUED)


def test_a_refusal_is_an_error_with_its_code_and_status(client: Client, script: Script) -> None:
    problem = {"code": "unknown_checkpoint", "detail": "no checkpoint 'x'", "job_id": JOB, "status": 422}
    script.add(422, problem)
    with pytest.raises(ApiError, match="no checkpoint 'x'") as caught:
        client.submit("txt2img", {})
    error = caught.value
    assert (error.code, error.http_status, error.job_id) == ("unknown_checkpoint", 422, JOB)
    assert not error.retryable


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"message": "Forbidden"}, "http_403", "Forbidden"),
        (b"<html>", "http_403", "answered 403"),
        ([1], "http_403", "answered 403"),
    ],
)
def test_a_refusal_that_is_no_problem_document_is_told_as_well_as_can_be(
    client: Client, script: Script, body: Any, code: str, words: str
) -> None:
    script.add(403, body)
    with pytest.raises(ApiError, match=words) as caught:
        client.status(JOB)
    assert caught.value.code == code


def test_an_address_that_is_not_the_api_is_told(client: Client, script: Script) -> None:
    script.add(200, b"<html>welcome</html>")
    with pytest.raises(ApiError, match="is it the API's address"):
        client.status(JOB)


def test_a_submit_whose_answer_was_lost_is_not_sent_twice(client: Client, script: Script) -> None:
    script.answers = [requests.ConnectionError("https://x?X-Amz-Signature=secret")]
    with pytest.raises(ApiUnreachable, match=r"api\.example\.com/v1/jobs cannot be reached") as caught:
        client.submit("txt2img", {})
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_submit_with_an_idempotency_key_is_sent_again(client: Client, script: Script) -> None:
    script.answers = [requests.ReadTimeout()]
    script.add(202, VIEW)
    client.submit("txt2img", {}, idempotency_key="k")
    assert [request.headers["Idempotency-Key"] for request in script.asked] == ["k", "k"]


def test_too_many_requests_are_sent_again_when_the_api_says(
    client: Client, script: Script, clock: Clock
) -> None:
    script.add(429, {"code": "throttled"}, Retry_After="2")
    script.add(202, VIEW)
    client.submit("txt2img", {})
    assert clock.slept == [2.0]


def test_a_passing_failure_of_the_api_is_tried_a_few_times_only(client: Client, script: Script) -> None:
    for _ in range(4):
        script.add(503, {"code": "store_error", "detail": "try again"})
    with pytest.raises(ApiError, match="try again"):
        client.status(JOB)
    assert len(script.asked) == 4


def test_wait_follows_the_job_to_its_ending_in_growing_steps(
    client: Client, script: Script, clock: Clock
) -> None:
    for i in range(60):
        script.add(200, VIEW | {"status": "processing", "progress": {"fraction": i / 60}})
    script.add(200, VIEW | {"status": "failed", "error": {"code": "engine_died"}})
    seen: list[JobView] = []
    job = client.wait(JOB, 600, seen.append)
    assert job.status is Status.FAILED
    assert job.error == {"code": "engine_died"}
    assert [view.progress and view.progress["fraction"] for view in seen[:3]] == [0, 1 / 60, 2 / 60]
    assert len(seen) == 61
    assert clock.slept == sorted(clock.slept)
    assert (clock.slept[0], clock.slept[-1]) == (0.25, 5.0)


def test_wait_ends_on_time_and_says_where_the_job_is(client: Client, script: Script, clock: Clock) -> None:
    for _ in range(5):
        script.add(200, VIEW)
    with pytest.raises(WaitTimeout, match="is still queued after 1 s"):
        client.wait(JOB, 1)
    assert clock.now_s == 1.0


def test_wait_outlasts_an_api_that_is_away_for_a_while(client: Client, script: Script) -> None:
    script.answers = [requests.ConnectionError() for _ in range(9)]
    script.add(200, VIEW | {"status": "succeeded"})
    assert client.wait(JOB, 60).status is Status.SUCCEEDED


def test_wait_for_an_unknown_job_ends_at_once(client: Client, script: Script) -> None:
    script.add(404, {"code": "unknown_job", "detail": "no job"})
    with pytest.raises(ApiError, match="no job"):
        client.wait("nobody", 60)


def succeeded(count: int) -> JobView:
    images = [{"url": "https://s3/x", "seed": 1, "width": 8, "height": 8}] * count
    return JobView.from_json(VIEW | {"status": "succeeded", "images": images})


def script_pictures(script: Script, *pictures: tuple[bytes, str]) -> None:
    for data, content_type in pictures:
        script.add(302, Location="https://art.s3.amazonaws.com/0.png?X-Amz-Signature=abc")
        script.add(200, data, Content_Type=content_type)


def test_download_writes_every_picture_and_keeps_the_key_from_the_storage(
    client: Client, script: Script, tmp_path: Path
) -> None:
    script_pictures(script, (b"one", "image/png"), (b"two", "image/jpeg"), (b"three", "image/webp"))
    paths = client.download(succeeded(3), tmp_path / "new" / "folder")
    assert [path.name for path in paths] == [f"{JOB}-0.png", f"{JOB}-1.jpg", f"{JOB}-2.webp"]
    assert [path.read_bytes() for path in paths] == [b"one", b"two", b"three"]
    assert script.asked[2].url == f"{API}/jobs/{JOB}/images/1"
    assert all("x-api-key" not in request.headers for request in script.asked[1::2])


def test_download_twice_gives_the_same_files(client: Client, script: Script, tmp_path: Path) -> None:
    script_pictures(script, (b"one", "image/png"), (b"one", "image/png"))
    assert client.download(succeeded(1), tmp_path) == client.download(succeeded(1), tmp_path)


def test_download_overwrites_nothing(client: Client, script: Script, tmp_path: Path) -> None:
    (tmp_path / f"{JOB}-0.png").write_bytes(b"mine")
    script_pictures(script, (b"one", "image/png"))
    with pytest.raises(FileInTheWay, match=r"-0\.png is there already"):
        client.download(succeeded(1), tmp_path)
    assert (tmp_path / f"{JOB}-0.png").read_bytes() == b"mine"


def test_download_of_a_job_without_pictures_is_empty(client: Client, tmp_path: Path) -> None:
    assert client.download(JobView.from_json(VIEW), tmp_path) == []


def test_a_refusal_of_the_storage_does_not_repeat_its_link(
    client: Client, script: Script, tmp_path: Path
) -> None:
    script.add(302, Location="https://art.s3.amazonaws.com/0.png?X-Amz-Signature=abc")
    script.add(403, b"<Error><Code>AccessDenied</Code></Error>")
    with pytest.raises(ApiError, match="answered 403") as caught:
        client.download(succeeded(1), tmp_path)
    assert "X-Amz" not in str(caught.value)


def test_cancel_and_delete_ask_what_their_names_say(client: Client, script: Script) -> None:
    script.add(202, VIEW | {"status": "processing"})
    script.add(204)
    assert client.cancel(JOB).status is Status.PROCESSING
    client.delete(JOB)
    assert [(r.method, r.url) for r in script.asked] == [
        ("POST", f"{API}/jobs/{JOB}/cancel"),
        ("DELETE", f"{API}/jobs/{JOB}"),
    ]


def test_an_id_cannot_lead_to_another_route(client: Client, script: Script) -> None:
    script.add(404, {"code": "unknown_job", "detail": "no job"})
    with pytest.raises(ApiError):
        client.delete("../uploads?x")
    assert script.asked[0].url == f"{API}/jobs/..%2Fuploads%3Fx"


def test_jobs_walks_the_pages(client: Client, script: Script) -> None:
    lines = [{k: VIEW[k] for k in ("id", "kind", "status", "created_at")} for _ in range(3)]
    script.add(200, {"jobs": lines[:2], "next_cursor": "c2"})
    script.add(200, {"jobs": lines[2:], "next_cursor": None})
    assert len(list(client.jobs(status="succeeded"))) == 3
    assert [request.url for request in script.asked] == [
        f"{API}/jobs?limit=100&status=succeeded",
        f"{API}/jobs?limit=100&cursor=c2&status=succeeded",
    ]


def test_jobs_asks_for_no_more_than_its_limit(client: Client, script: Script) -> None:
    script.add(200, {"jobs": [VIEW, VIEW], "next_cursor": "c2"})
    script.add(200, {"jobs": [VIEW], "next_cursor": "c3"})
    assert len(list(client.jobs(limit=3))) == 3
    assert [request.url for request in script.asked] == [
        f"{API}/jobs?limit=3",
        f"{API}/jobs?limit=1&cursor=c2",
    ]


def png() -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 4))


def test_models_tells_what_the_endpoint_holds(client: Client, script: Script) -> None:
    held = {"checkpoints": [{"name": "ink", "family": "SD1"}], "default_checkpoint": "ink"}
    script.add(200, held)
    assert client.models() == held
    assert (script.asked[0].method, script.asked[0].url) == ("GET", f"{API}/models")


@pytest.mark.parametrize("as_given", [lambda path: path, str, lambda path: path.read_bytes()])
def test_upload_puts_the_file_where_the_api_says(
    client: Client, script: Script, tmp_path: Path, as_given: Callable[[Path], Any]
) -> None:
    path = tmp_path / "fox.png"
    path.write_bytes(png())
    script.add(201, {"id": "upload:ab", "url": "https://art.s3.amazonaws.com/u?X-Amz-Signature=abc"})
    script.add(200)
    assert client.upload(as_given(path)) == "upload:ab"
    ticket, put = script.asked
    assert json.loads(ticket.body or "") == {"size_bytes": len(png()), "content_type": "image/png"}
    assert (put.method, put.body) == ("PUT", png())
    assert (put.headers["Content-Type"], put.headers["Content-Length"]) == ("image/png", str(len(png())))
    assert "x-api-key" not in put.headers


def test_upload_of_something_else_is_refused_before_it_is_sent(client: Client, script: Script) -> None:
    with pytest.raises(InvalidPayload, match="not a PNG, JPEG or WebP picture"):
        client.upload(b"hello")
    assert script.asked == []


def test_every_error_of_the_client_is_one_of_ours() -> None:
    assert all(issubclass(e, PipelineError) for e in (ApiError, ApiUnreachable, WaitTimeout, FileInTheWay))
