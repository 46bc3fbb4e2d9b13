"""The HTTP side: routing, passwords, and the one place where an error becomes an answer."""

import logging
import time
from collections.abc import Mapping
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diffusers_webui import auth, openapi, routes
from diffusers_webui.arguments import flags_defaults
from diffusers_webui.engine import Engine
from diffusers_webui.errors import WebuiError, answer_of

log = logging.getLogger(__name__)


def build_app(engine: Engine) -> ASGIApp:
    """The whole HTTP side of one engine."""
    entries = routes.table(engine)
    passwords = engine.settings.api_auth
    served = [
        Route(entry.path, partial(_serve, entry, passwords), methods=[entry.method]) for entry in entries
    ]
    description = openapi.document(entries, engine.options.defaults, flags_defaults())

    async def openapi_json(request: Request) -> Response:
        return JSONResponse(description)

    async def docs(request: Request) -> Response:
        return HTMLResponse(openapi.page(description))

    served += [Route("/openapi.json", openapi_json), Route("/docs", docs)]
    return Timed(Starlette(routes=served, exception_handlers={HTTPException: _routing_error}))


async def _serve(entry: routes.Entry, passwords: Mapping[str, str], request: Request) -> Response:
    try:
        if entry.is_guarded:
            auth.check(request.headers.get("authorization"), passwords)
        answer = await entry.answer(request)
        return answer if isinstance(answer, Response) else JSONResponse(answer)
    except Exception as error:  # the edge: every exception is an answer in the stock webui's shape
        if not isinstance(error, WebuiError):
            log.exception("%s %s failed", entry.method, entry.path)
        status, body = answer_of(error)
        return JSONResponse(body, status)


async def _routing_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": error.detail}, error.status_code, headers=error.headers)


class Timed:
    """Puts x-process-time on every answer, as the stock webui does."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = time.monotonic()

        async def timed_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                seconds = f"{round(time.monotonic() - begun, 4)}"
                message["headers"].append((b"x-process-time", seconds.encode("ascii")))
            await send(message)

        await self._app(scope, receive, timed_send)
