"""The API from Python: submit a job, wait for it, fetch its pictures.

with Client(api_url, api_key) as client:
    job = client.submit("txt2img", {"prompt": "a fox in the snow"})
    client.download(client.wait(job.id, timeout_s=600), "pictures")
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import requests

from webui_async.contract.errors import InvalidPayload, PipelineError
from webui_async.contract.images import CONTENT_TYPES, read_header
from webui_async.contract.job import Status
from webui_async.transport import ApiError, ApiUnreachable, Transport

__all__ = ["ApiError", "ApiUnreachable", "Client", "FileInTheWay", "JobView", "WaitTimeout"]

MIN_POLL_S, MAX_POLL_S = 0.25, 5.0
#: Of the time gone by: so an ending is found out about at most a tenth too late.
_POLL_SHARE = 0.1
_PAGE = 100
_EXTENSIONS = {content_type: extension for extension, content_type in CONTENT_TYPES.items()}


class WaitTimeout(PipelineError):
    """The job had not ended when the caller stopped waiting. It goes on all the same."""

    code, retryable = "wait_timeout", True


class FileInTheWay(PipelineError):
    """A file of that name is there already and holds something else."""

    code = "file_in_the_way"


@dataclass(frozen=True)
class JobView:
    """A job as the API shows it. A line of a list has the first four fields only."""

    id: str
    kind: str
    status: Status
    created_at: str
    images: list[dict[str, Any]] = field(default_factory=list)  #: {url, seed, width, height}
    progress: dict[str, Any] | None = None  #: {fraction, eta_s, step, at}, while it is drawn
    queue_ahead: int | None = None
    error: dict[str, Any] | None = None  #: {code, message, retryable}
    warnings: list[str] = field(default_factory=list)
    metrics: dict[str, float | None] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)  #: the webui's own, seeds and all
    output_uri: str | None = None
    urls: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> JobView:
        known = {name: document[name] for name in cls.__dataclass_fields__ if name in document}
        return cls(**known | {"status": Status(document["status"])})


class Client:
    """One caller of one API.

    Every method raises ApiError when the API refuses and ApiUnreachable when nobody answers. What can be
    repeated without harm is repeated a few times first.
    """

    def __init__(
        self,
        api_url: str,
        api_key: str,
        session: requests.Session | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ):
        """api_url: with its stage, as `make up` or the deployment prints it."""
        self.api_url = api_url.rstrip("/")
        self._key = {"x-api-key": api_key}
        self._transport = Transport(session or requests.Session(), sleep)
        self._sleep, self._now = sleep, now

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()

    def submit(
        self,
        kind: str,
        payload: Mapping[str, Any],
        callback_url: str | None = None,
        output: Mapping[str, str] | None = None,
        ttl_s: int | None = None,
        idempotency_key: str | None = None,
    ) -> JobView:
        """The job that was accepted.

        kind: txt2img, img2img, extra-single-image or extra-batch-images.
        payload: the webui's own body for it.
        output: {"format": "png" | "jpg" | "webp"}.
        idempotency_key: the same key and body give the same job, so a lost answer may be asked for again.
        """
        order = {"callback_url": callback_url, "output": output, "ttl_s": ttl_s}
        body = {"kind": kind, "payload": payload} | {k: v for k, v in order.items() if v is not None}
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        repeatable = idempotency_key is not None
        return JobView.from_json(self._json("POST", "/jobs", repeatable, json=body, headers=headers))

    def status(self, job_id: str) -> JobView:
        """The job as it stands."""
        return JobView.from_json(self._json("GET", _path(job_id)))

    def wait(
        self, job_id: str, timeout_s: float, on_progress: Callable[[JobView], None] | None = None
    ) -> JobView:
        """The job once it has ended, however it ended.

        on_progress: called with every view on the way, the last one included.
        Raises WaitTimeout after `timeout_s`. An API that cannot be reached meanwhile is asked again.
        """
        began, last = self._now(), "not heard of"
        while True:
            asked_s = 0.0
            try:
                job = self.status(job_id)
            except (ApiError, ApiUnreachable) as error:
                if not error.retryable:
                    raise
                asked_s = error.retry_after_s
            else:
                last = job.status.value
                if on_progress is not None:
                    on_progress(job)
                if job.status.is_ending:
                    return job
            waited_s = self._now() - began
            if waited_s >= timeout_s:
                raise WaitTimeout(f"job {job_id} is still {last} after {timeout_s:g} s")
            pause_s = max(asked_s, MIN_POLL_S, min(MAX_POLL_S, waited_s * _POLL_SHARE))
            self._sleep(min(pause_s, timeout_s - waited_s))

    def download(self, job: JobView, folder: str | Path) -> list[Path]:
        """The job's pictures as files `{job_id}-{n}.{ext}`, in order.

        Raises FileInTheWay where another file has that name; a picture fetched before may be there.
        """
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        paths = []
        for number in range(len(job.images)):
            picture = self._picture(job.id, number)
            content_type = picture.headers.get("Content-Type", "")
            path = place / f"{job.id}-{number}.{_EXTENSIONS.get(content_type, 'bin')}"
            _write_new(path, picture.content)
            paths.append(path)
        return paths

    def cancel(self, job_id: str) -> JobView:
        """The job, canceled or about to be. Raises ApiError job_ended when it has ended."""
        return JobView.from_json(self._json("POST", f"{_path(job_id)}/cancel"))

    def delete(self, job_id: str) -> None:
        """The pictures and inputs of an ended job are gone afterwards. Raises ApiError job_not_ended."""
        self._call("DELETE", _path(job_id), repeatable=True)

    def jobs(self, limit: int | None = None, status: Status | str | None = None) -> Iterator[JobView]:
        """Your jobs, newest first, at most `limit` of them."""
        left, cursor = limit, None
        while left is None or left > 0:
            query = {"limit": min(_PAGE, left or _PAGE), "cursor": cursor}
            wanted = {"status": Status(status).value} if status is not None else {}
            page = self._json("GET", "/jobs", params=query | wanted)
            yield from map(JobView.from_json, page["jobs"])
            cursor = page["next_cursor"]
            if cursor is None:
                return
            left = None if left is None else left - len(page["jobs"])

    def models(self) -> dict[str, Any]:
        """The weight files that a payload may name: `checkpoints`, `loras`…, and the `default_checkpoint`."""
        held: dict[str, Any] = self._json("GET", "/models")
        return held

    def upload(self, picture: bytes | str | Path) -> str:
        """What stands for the picture in a payload, `upload:…`.

        picture: a PNG, JPEG or WebP file, or its bytes. Raises InvalidPayload for anything else.
        """
        data = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
        content_type = _content_type(data)
        ticket = self._json(
            "POST", "/uploads", True, json={"size_bytes": len(data), "content_type": content_type}
        )
        self._transport.send("PUT", ticket["url"], True, data=data, headers={"Content-Type": content_type})
        upload_id: str = ticket["id"]
        return upload_id

    def _picture(self, job_id: str, number: int) -> requests.Response:
        """The link is followed by hand: our key is none of the storage's business."""
        path = f"{_path(job_id)}/images/{number}"
        answer = self._call("GET", path, True, allow_redirects=False)
        link = answer.headers.get("Location")
        if link is None:
            raise ApiError("not_our_api", answer.status_code, f"{self.api_url}{path} leads to no picture")
        return self._transport.send("GET", link, True)

    def _json(self, method: str, path: str, repeatable: bool = False, **request: Any) -> Any:
        answer = self._call(method, path, repeatable or method == "GET", **request)
        try:
            return answer.json()
        except requests.JSONDecodeError as error:
            detail = f"{self.api_url}{path} answers with something that is no JSON; is it the API's address?"
            raise ApiError("not_our_api", answer.status_code, detail) from error

    def _call(self, method: str, path: str, repeatable: bool, **request: Any) -> requests.Response:
        headers = self._key | request.pop("headers", {})
        return self._transport.send(method, f"{self.api_url}{path}", repeatable, headers=headers, **request)


def _content_type(data: bytes) -> str:
    try:
        return CONTENT_TYPES[read_header(data).image_format]
    except ValueError as error:
        raise InvalidPayload("picture", f"a file of {len(data)} bytes", f"it is {error}") from error


def _path(job_id: str) -> str:
    return f"/jobs/{quote(job_id, safe='')}"


def _write_new(path: Path, data: bytes) -> None:
    """The file holds `data`; one that held something else before is left alone."""
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        if path.read_bytes() != data:
            raise FileInTheWay(f"{path} is there already; move it, or choose another folder") from None
