"""What an invocation is answered with. SageMaker stores it as the invocation's output."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from webui_async.contract.errors import PipelineError
from webui_async.contract.job import Result


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status_code: int
    body: bytes
    content_type: str = "application/json"

    @classmethod
    def of_job(cls, job_id: str, status: str, error: dict[str, Any] | None = None) -> Answer:
        """How a job stands. 200 also when it failed: the container did its part."""
        return cls(200, _encode({"job_id": job_id, "status": status} | ({"error": error} if error else {})))

    @classmethod
    def of_result(cls, result: Result) -> Answer:
        return cls.of_job(result.job_id, result.status.value, result.error)

    @classmethod
    def of_problem(cls, error: PipelineError, job_id: str | None = None) -> Answer:
        """4xx for what the caller did, 5xx for what the container could not."""
        return cls(error.http_status, _encode(error.problem(job_id)), "application/problem+json")


def _encode(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()
