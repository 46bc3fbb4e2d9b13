"""The routes of /sdapi/v1 that this server has, and the one place where an error becomes an answer."""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diffusers_webui import bodies, listings
from diffusers_webui.engine import Engine
from diffusers_webui.errors import WebuiError, answer_of
from diffusers_webui.fields import Fields, read_body

log = logging.getLogger(__name__)
Answer = Callable[[Request], Awaitable[Any]]


def build_app(engine: Engine) -> ASGIApp:
    """The whole HTTP side of one engine."""
    routes = [_route(method, path, answer) for method, path, answer in _table(engine)]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _routing_error})
    return Timed(app)


def _table(engine: Engine) -> list[tuple[str, str, Answer]]:
    folders = engine.folders
    return [
        ("POST", "txt2img", _posted(bodies.TXT2IMG, lambda body: engine.draw("txt2img", body))),
        ("POST", "img2img", _posted(bodies.IMG2IMG, lambda body: engine.draw("img2img", body))),
        ("POST", "extra-single-image", _posted(bodies.EXTRA_SINGLE, engine.upscale)),
        ("POST", "extra-batch-images", _posted(bodies.EXTRA_BATCH, engine.upscale)),
        ("POST", "png-info", _posted(bodies.PNG_INFO, _soon(lambda body: engine.png_info(body["image"])))),
        ("GET", "progress", _progress(engine)),
        ("POST", "interrupt", _plain(engine.interrupt)),
        ("POST", "skip", _plain(engine.skip)),
        ("GET", "options", _plain(engine.options.listing)),
        ("POST", "options", _set_options(engine)),
        ("GET", "cmd-flags", _plain(engine.cmd_flags)),
        ("GET", "samplers", _plain(lambda: listings.SAMPLERS)),
        ("GET", "schedulers", _plain(lambda: listings.SCHEDULERS)),
        ("GET", "upscalers", _plain(lambda: listings.UPSCALERS)),
        ("GET", "latent-upscale-modes", _plain(lambda: [])),
        ("GET", "sd-models", _plain(lambda: [one.listing() for one in folders.checkpoints.all()])),
        ("GET", "sd-vae", _plain(folders.vaes.listing)),
        ("GET", "loras", _plain(folders.loras.listing)),
        ("GET", "hypernetworks", _plain(lambda: [])),
        ("GET", "face-restorers", _plain(lambda: [])),
        ("GET", "realesrgan-models", _plain(lambda: [])),
        ("GET", "prompt-styles", _plain(lambda: [])),
        ("GET", "embeddings", _plain(lambda: {"loaded": {}, "skipped": {}})),
        ("GET", "scripts", _plain(lambda: listings.SCRIPTS)),
        ("GET", "script-info", _plain(lambda: listings.SCRIPT_INFO)),
        ("GET", "extensions", _plain(lambda: [])),
        ("GET", "memory", _plain(engine.memory)),
        ("POST", "unload-checkpoint", _waiting(engine.unload_checkpoint)),
        ("POST", "reload-checkpoint", _waiting(engine.reload_checkpoint)),
        ("POST", "refresh-checkpoints", _plain(folders.checkpoints.refresh)),
        ("POST", "refresh-loras", _plain(folders.loras.refresh)),
        ("POST", "refresh-vae", _plain(folders.vaes.refresh)),
        ("POST", "refresh-embeddings", _plain(lambda: None)),
    ]


def _route(method: str, path: str, answer: Answer) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            return JSONResponse(await answer(request))
        except Exception as error:  # the edge: every exception is an answer in the stock webui's shape
            if not isinstance(error, WebuiError):
                log.exception("%s %s failed", method, path)
            status, body = answer_of(error)
            return JSONResponse(body, status)

    return Route(f"/sdapi/v1/{path}", endpoint, methods=[method])


def _plain(work: Callable[[], Any]) -> Answer:
    async def answer(request: Request) -> Any:
        return work()

    return answer


def _waiting(work: Callable[[], Awaitable[Any]]) -> Answer:
    async def answer(request: Request) -> Any:
        return await work()

    return answer


def _posted(fields: Fields, work: Callable[[dict[str, Any]], Awaitable[Any]]) -> Answer:
    async def answer(request: Request) -> Any:
        return await work(read_body(await request.body(), request.headers.get("content-type", ""), fields))

    return answer


def _soon(work: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Awaitable[Any]]:
    async def wrapped(body: dict[str, Any]) -> Any:
        return work(body)

    return wrapped


def _progress(engine: Engine) -> Answer:
    async def answer(request: Request) -> Any:
        skipped = request.query_params.get("skip_current_image", "false").lower() in (
            "true",
            "1",
            "on",
            "yes",
        )
        return engine.progress(with_picture=not skipped)

    return answer


def _set_options(engine: Engine) -> Answer:
    async def answer(request: Request) -> Any:
        values = read_body(
            await request.body(), request.headers.get("content-type", ""), {}, keep_others=True
        )
        return await engine.set_options(values)

    return answer


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
