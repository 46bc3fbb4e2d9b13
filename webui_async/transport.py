"""HTTP for the client: one request, a few tries, and every failure as an error of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests

from webui_async.contract.errors import PipelineError

#: To connect, and between two bytes: the API itself answers within 29 s.
TIMEOUT_S = (10.0, 35.0)
_TRIES = 4
_PAUSE_S, _MAX_PAUSE_S = 0.25, 30.0
_TOO_MANY = 429
_PASSING = (_TOO_MANY, 500, 502, 503, 504)


class ApiError(PipelineError):
    """The API refused, or could not do it."""

    retry_after_s = _PAUSE_S

    def __init__(self, code: str, http_status: int, detail: str, job_id: str | None = None):
        super().__init__(detail)
        self.code, self.http_status, self.job_id = code, http_status, job_id
        self.retryable = http_status in _PASSING


class ApiUnreachable(PipelineError):
    """The API, or the storage behind it, cannot be reached."""

    code, http_status, retryable = "api_unreachable", 503, True
    retry_after_s = _PAUSE_S


class Transport:
    """Sends requests over one session."""

    def __init__(self, session: requests.Session, sleep: Callable[[float], None]):
        self._session, self._sleep = session, sleep

    def close(self) -> None:
        self._session.close()

    def send(self, method: str, url: str, repeatable: bool, **request: Any) -> requests.Response:
        """The answer, 2xx or 3xx, after a few tries where trying again can help and does no harm."""
        for tries_left in reversed(range(_TRIES)):
            try:
                return self._try(method, url, **request)
            except (ApiError, ApiUnreachable) as error:
                # Nothing was done about a call that was one too many.
                harmless = repeatable or error.http_status == _TOO_MANY
                if not (tries_left and harmless and error.retryable):
                    raise
                self._sleep(error.retry_after_s)
        raise AssertionError("the last try returns or raises")

    def _try(self, method: str, url: str, **request: Any) -> requests.Response:
        try:
            answer = self._session.request(method, url, timeout=TIMEOUT_S, **request)
        except requests.RequestException as error:
            # Both the url's query and the error's text may hold a signature.
            place = url.partition("?")[0]
            raise ApiUnreachable(f"{place} cannot be reached: {type(error).__name__}") from None
        if answer.status_code >= 400:
            raise _error_of(answer)
        return answer


def _error_of(answer: requests.Response) -> ApiError:
    """What a problem document says, or as much as can be said of any other refusal."""
    try:
        document = answer.json()
    except requests.JSONDecodeError:
        document = None
    said = document if isinstance(document, dict) else {}
    place = answer.url.partition("?")[0]
    detail = said.get("detail") or said.get("message") or f"{place} answered {answer.status_code}"
    error = ApiError(
        said.get("code", f"http_{answer.status_code}"), answer.status_code, detail, said.get("job_id")
    )
    error.retry_after_s = _retry_after_s(answer)
    return error


def _retry_after_s(answer: requests.Response) -> float:
    """What the answer asks for in seconds, within reason. API Gateway sends no dates."""
    text = answer.headers.get("Retry-After", "")
    return min(_MAX_PAUSE_S, float(text)) if text.isascii() and text.isdigit() else _PAUSE_S
