"""SageMaker's two routes."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serve.answers import Answer
from serve.container import Container
from serve.invocation import INFERENCE_ID, Invocation, answer_invocation
from webui_async.contract.errors import BodyTooLarge, PipelineError

#: Direct invocations carry their pictures in the body; jobs of ours have uploads for that.
MAX_BODY_BYTES = 100_000_000


def make_app(container: Container) -> Starlette:
    """GET /ping and POST /invocations, each answered with a Content-Length: async endpoints refuse chunks."""

    async def ping(request: Request) -> Response:
        is_well = container.supervisor.is_well and not container.scheduler.is_closed
        body = f'{{"engine": "{container.supervisor.health.value}"}}'
        return Response(body, 200 if is_well else 503, media_type="application/json")

    async def invocations(request: Request) -> Response:
        body = await _read_body(request)
        return _respond(await answer_invocation(Invocation.of(request.headers, body), container))

    return Starlette(
        routes=[Route("/ping", ping), Route("/invocations", invocations, methods=["POST"])],
        exception_handlers={PipelineError: _answer_problem, Exception: _answer_crash},
    )


async def _read_body(request: Request) -> bytes:
    """The body. Raises BodyTooLarge before it is all in memory."""
    chunks, size = [], 0
    async for chunk in request.stream():
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise BodyTooLarge(f"the body has more than {MAX_BODY_BYTES} bytes; send its pictures as uploads")
    return b"".join(chunks)


def _respond(answer: Answer) -> Response:
    return Response(answer.body, answer.status_code, media_type=answer.content_type)


async def _answer_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, PipelineError)
    return _respond(Answer.of_problem(error, request.headers.get(INFERENCE_ID)))


async def _answer_crash(request: Request, error: Exception) -> Response:
    """The trace is logged by whoever called us; the caller gets the error's kind."""
    unforeseen = PipelineError(f"the container failed on {type(error).__name__}; its log has the trace")
    return _respond(Answer.of_problem(unforeseen, request.headers.get(INFERENCE_ID)))
