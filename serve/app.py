"""SageMaker's two routes."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.typedefs import Handler

from serve.answers import Answer
from serve.container import Container
from serve.invocation import INFERENCE_ID, Invocation, answer_invocation
from webui_async.contract.errors import BodyTooLarge, PipelineError

logger = logging.getLogger(__name__)

#: Direct invocations carry their pictures in the body; jobs of ours have uploads for that.
MAX_BODY_BYTES = 100_000_000


def make_app(container: Container) -> web.Application:
    """GET /ping and POST /invocations, each answered with a Content-Length: async endpoints refuse chunks."""

    async def ping(request: web.Request) -> web.Response:
        is_well = container.supervisor.is_well and not container.scheduler.is_closed
        body = f'{{"engine": "{container.supervisor.health.value}"}}'
        return _respond(Answer(200 if is_well else 503, body.encode()))

    async def invocations(request: web.Request) -> web.Response:
        body = await _read_body(request)
        return _respond(await answer_invocation(Invocation.of(request.headers, body), container))

    app = web.Application(middlewares=[_answer_errors], client_max_size=MAX_BODY_BYTES)
    app.add_routes([web.get("/ping", ping), web.post("/invocations", invocations)])
    return app


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except PipelineError as error:
        return _respond(Answer.of_problem(error, request.headers.get(INFERENCE_ID)))
    except web.HTTPException:
        raise  # no such route, or not with this method
    except Exception as error:
        logger.exception("an invocation failed on an error of the container's own")
        unforeseen = PipelineError(f"the container failed on {type(error).__name__}; its log has the trace")
        return _respond(Answer.of_problem(unforeseen, request.headers.get(INFERENCE_ID)))


async def _read_body(request: web.Request) -> bytes:
    """The body. Raises BodyTooLarge before it is all in memory."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise BodyTooLarge(
            f"the body has more than {MAX_BODY_BYTES} bytes; send its pictures as uploads"
        ) from error


def _respond(answer: Answer) -> web.Response:
    return web.Response(body=answer.body, status=answer.status_code, content_type=answer.content_type)
