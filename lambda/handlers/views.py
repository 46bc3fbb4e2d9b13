"""The job as clients see it: GET /jobs/{id} and the callback show the same document."""

from __future__ import annotations

from typing import Any

from handlers.wiring import Wiring
from webui_async.contract import keys
from webui_async.contract.job import Image, Job, JobFiles, Metrics, Progress, Result, Status, status_of
from webui_async.contract.times import to_iso


def job_view(
    world: Wiring,
    job: Job,
    files: JobFiles,
    progress: Progress | None,
    result: Result | None,
    base_url: str,
    links: bool = True,
    queue_ahead: int | None = None,
) -> dict[str, Any]:
    """The job's document.

    base_url: where clients reach the API, without a slash at its end.
    links: whether a picture's url is a presigned one of S3; otherwise it is the API's, which redirects there.
    queue_ahead: unfinished jobs before this one, where the caller counted them.
    """
    status = status_of(files, progress, result)
    document: dict[str, Any] = {
        "id": job.id,
        "kind": job.kind.value,
        "status": status.value,
        "created_at": to_iso(job.created_at),
        "expires_at": to_iso(job.expires_at),
        "attempt": files.last_attempt,
        "images": [],
        "warnings": [*job.warnings],
        "metrics": _metrics(Metrics()),
        "urls": _urls(base_url, job.id, status),
        "output_uri": world.store.uri(keys.result(job.id)),
    }
    if status is Status.QUEUED and queue_ahead is not None:
        document["queue_ahead"] = queue_ahead
    if status is Status.PROCESSING and progress is not None:
        document["progress"] = _progress(progress)
    if result is not None:
        document |= _ending(result)
        document["warnings"] = [*dict.fromkeys((*job.warnings, *result.warnings))]
        document["images"] = [
            _image(world, image, f"{base_url}/jobs/{job.id}/images/{number}", links)
            for number, image in enumerate(result.images)
        ]
    return document


def _ending(result: Result) -> dict[str, Any]:
    document: dict[str, Any] = {"ended_at": to_iso(result.ended_at), "metrics": _metrics(result.metrics)}
    if result.error is not None:
        document["error"] = result.error
    if result.info:
        document["info"] = result.info
    return document


def _image(world: Wiring, image: Image, api_url: str, links: bool) -> dict[str, Any]:
    url = world.store.presign_get(image.key, world.settings.link_ttl_s) if links else api_url
    return {"url": url, "seed": image.seed, "width": image.width, "height": image.height}


def _metrics(metrics: Metrics) -> dict[str, float | None]:
    return {
        "queued_s": metrics.queued_s,
        "drawing_s": metrics.drawing_s,
        "total_s": metrics.total_s,
        "cost_usd": metrics.cost_usd,
    }


def _progress(progress: Progress) -> dict[str, Any]:
    return {
        "fraction": progress.fraction,
        "eta_s": progress.eta_s,
        "step": progress.step,
        "at": to_iso(progress.at),
    }


def _urls(base_url: str, job_id: str, status: Status) -> dict[str, str]:
    job_url = f"{base_url}/jobs/{job_id}"
    urls = {"get": job_url, "wait": f"{job_url}/wait"}
    return urls if status.is_ending else urls | {"cancel": f"{job_url}/cancel"}
