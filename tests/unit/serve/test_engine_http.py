from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from serve.engine import Engine
from serve.engine_http import ConnectionLost, EngineHttp, EngineSilent, HttpAnswer, open_http
from tests.unit.serve.fakes import PAYLOAD, reply
from webui_async.contract.errors import EngineRefused, EngineReplyError
from webui_async.contract.payload import Kind

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def ask(handler: Handler, call: Callable[[EngineHttp], Awaitable[Any]]) -> Any:
    """What `call` comes to over loopback, where `handler` answers every request."""

    async def main() -> Any:
        app = web.Application(client_max_size=10_000_000)
        app.router.add_route("*", "/{path:.*}", handler)
        async with TestServer(app, host="127.0.0.1") as server, open_http(server.port or 0) as http:
            return await call(http)

    return asyncio.run(main())


async def post(http: EngineHttp, timeout_s: float | None = None) -> HttpAnswer:
    return await http.request("POST", "/sdapi/v1/txt2img?a=b", PAYLOAD, timeout_s)


async def draw(http: EngineHttp) -> Any:
    return await Engine(http).draw(Kind.TXT2IMG, PAYLOAD)


def test_a_question_and_its_answer_go_as_they_are() -> None:
    async def answer(request: web.Request) -> web.Response:
        asked = {"body": await request.json(), "type": request.content_type, "headers": dict(request.headers)}
        return web.json_response(asked, status=418)

    told = ask(answer, post)
    assert (told.place, told.status, told.content_type) == ("POST /sdapi/v1/txt2img", 418, "application/json")
    asked = json.loads(told.body)
    assert asked["body"] == PAYLOAD and asked["type"] == "application/json"
    assert asked["headers"]["Accept-Encoding"] == "identity"


def test_a_body_with_pictures_arrives_whole() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(len((await request.json())["init_images"][0]))

    body = {"init_images": ["A" * 5_000_000]}
    assert ask(answer, lambda http: http.request("POST", "/", body, None)).body == b"5000000"


def test_an_engine_that_does_not_listen_is_a_lost_connection() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        async with open_http(port) as http:
            await post(http)

    with pytest.raises(ConnectionLost, match="POST /sdapi/v1/txt2img: ClientConnector"):
        asyncio.run(main())


async def drop_at_once(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def drop_in_the_body(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"images": ["iVB')
    assert request.transport is not None
    request.transport.close()
    return response


@pytest.mark.parametrize("handler", [drop_at_once, drop_in_the_body])
def test_a_connection_that_breaks_is_a_lost_one(handler: Handler) -> None:
    with pytest.raises(ConnectionLost, match="the connection to the engine broke at POST /sdapi/v1/txt2img"):
        ask(handler, post)


async def keep_silent(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    raise AssertionError("the client has gone by now")


async def trickle(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("handler", [keep_silent, trickle])
def test_an_answer_that_is_not_whole_in_time_is_silence(handler: Handler) -> None:
    with pytest.raises(EngineSilent, match="did not answer POST /sdapi/v1/txt2img in time"):
        ask(handler, lambda http: post(http, 0.1))


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    asked = []

    async def redirect(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    assert ask(redirect, post).status == 302 and asked == ["/sdapi/v1/txt2img"]


def test_connections_are_kept() -> None:
    ports = set()

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername"))
        return web.json_response({})

    async def thrice(http: EngineHttp) -> None:
        for _ in range(3):
            await post(http)

    ask(answer, thrice)
    assert len(ports) == 1


def test_a_cookie_of_the_engines_is_not_sent_back() -> None:
    cookies = []

    async def answer(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        return web.json_response({}, headers={"Set-Cookie": "a=b"})

    async def twice(http: EngineHttp) -> None:
        await post(http)
        await post(http)

    ask(answer, twice)
    assert cookies == [None, None]


@pytest.mark.parametrize(
    ("status", "content_type", "body", "error", "words"),
    [
        (200, "text/html", "<html>", EngineReplyError, "200 and 6 bytes of text/html that are not JSON"),
        (500, "text/plain", "Internal Server Error", EngineReplyError, "500 and 21 bytes"),
        (500, "application/json", '{"error": "OutOfMemoryError"}', EngineRefused, "500: OutOfMemoryError"),
        (200, "application/json", json.dumps(reply())[:-40], EngineReplyError, "not JSON"),
    ],
)
def test_what_comes_over_the_wire_and_is_no_reply_is_said(
    status: int, content_type: str, body: str, error: type[Exception], words: str
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, content_type=content_type, text=body)

    with pytest.raises(error, match=words):
        ask(answer, draw)
