"""One POST /invocations: a job of ours goes the main road, anything else is drawn and answered at once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

from serve.answers import Answer
from serve.container import Container
from serve.drawing import Watch, draw, look_after, require_whole
from serve.preflight import ordered, read_format, refuse_uploads
from serve.release import release
from serve.run_job import run_job
from webui_async.contract import keys
from webui_async.contract.envelopes import open_envelope
from webui_async.contract.errors import ContainerStopping, ForbiddenField
from webui_async.contract.fields import Limits
from webui_async.contract.job import Job
from webui_async.contract.payload import Payload, parse_json, parse_payload

INFERENCE_ID = "x-amzn-sagemaker-inference-id"
CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
_ATTEMPT = re.compile(r"\battempt=(\d+)\b")


@dataclass(frozen=True)
class Invocation:
    """What SageMaker sends."""

    body: bytes
    inference_id: str
    attempt: int

    @classmethod
    def of(cls, headers: Mapping[str, str], body: bytes) -> Invocation:
        attempt = _ATTEMPT.search(headers.get(CUSTOM_ATTRIBUTES, ""))
        return cls(body, headers.get(INFERENCE_ID, ""), int(attempt[1]) if attempt else 1)


@dataclass(frozen=True)
class DirectDrawing:
    """What an invocation made by hand asks for."""

    payload: Payload
    image_format: str


async def answer_invocation(invocation: Invocation, container: Container) -> Answer:
    """The answer, once there is one. Raises the PipelineError that the caller is to be told."""
    job = await asyncio.to_thread(_find_job, invocation, container)
    if job is not None:
        return await _answer_job(job, invocation.attempt, container)
    drawing = await asyncio.to_thread(_open_direct, invocation.body, container.limits)
    hand = container.scheduler.take(
        container.new_run(), None, 1, lambda hand: _draw_direct(drawing, container)
    )
    return await hand.answer()


async def _answer_job(job: Job, attempt: int, container: Container) -> Answer:
    try:
        hand = container.scheduler.take(job.id, job, attempt, lambda hand: run_job(hand, job, container))
    except ContainerStopping:
        await release(job, attempt, container)
        raise
    return await hand.answer()


def _find_job(invocation: Invocation, container: Container) -> Job | None:
    """The job that is invoked; None when the body is not the very request.json of the inference id.

    Anybody who may invoke the endpoint may name any inference id: only that document makes it a job of ours.
    """
    if not keys.is_job_id(invocation.inference_id):
        return None
    document = container.store.get_json(keys.request(invocation.inference_id))
    return Job.from_json(document) if document and document == parse_json(invocation.body) else None


def _open_direct(body: bytes, limits: Limits) -> DirectDrawing:
    """The drawing in any known envelope. Raises what the client is to be told."""
    envelope = open_envelope(parse_json(body))
    for option in ("callback_url", "ttl_s"):
        if option in envelope.options:
            raise ForbiddenField(option, "a direct invocation has no job; POST it to /jobs instead")
    payload = parse_payload(envelope.kind, envelope.payload, limits)
    return DirectDrawing(payload, read_format(envelope.options.get("output")))


async def _draw_direct(drawing: DirectDrawing, container: Container) -> Answer:
    """The stock webui's own answer. Nothing is written under jobs/."""
    refuse_uploads(drawing.payload)
    watch = Watch()
    async with (
        ordered(drawing.payload, drawing.image_format, watch.check, container) as order,
        container.turns.turn(order.checkpoint, watch.check),
    ):
        drawn = await draw(order, watch, container)
        await require_whole(drawn)
        look_after(drawn, container)
    return Answer(200, drawn.reply.body)
