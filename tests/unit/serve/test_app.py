from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from multidict import CIMultiDict

from serve import app
from serve.app import make_app
from serve.invocation import Invocation
from tests.unit.serve.conftest import InWorld
from tests.unit.serve.fakes import PAYLOAD, World, until
from webui_async.contract import keys

HEADERS = {"X-Amzn-SageMaker-Inference-Id": "x-1"}


@pytest.mark.parametrize(
    ("attributes", "attempt"), [("attempt=3", 3), ("team=ink,attempt=12", 12), ("", 1), ("attempts=4", 1)]
)
def test_the_attempt_is_read_from_the_custom_attributes(attributes: str, attempt: int) -> None:
    headers = CIMultiDict({"X-Amzn-SageMaker-Custom-Attributes": attributes})
    assert Invocation.of(headers, b"").attempt == attempt


@asynccontextmanager
async def served(world: World) -> AsyncIterator[TestClient[Any, Any]]:
    """The app on a port of loopback."""
    async with TestClient(TestServer(make_app(world.container), host="127.0.0.1")) as client:
        yield client


def test_a_drawing_is_answered_with_the_engines_own_json(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        async with served(world) as client:
            answer = await client.post(
                "/invocations", json={"task": "text-to-image", "txt2img_payload": PAYLOAD}
            )
            assert answer.status == 200 and len((await answer.json())["images"]) == 1

    in_world(test)


def test_every_answer_says_its_length(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        async with served(world) as client:
            for answer in (
                await client.post("/invocations", json={"task": "text-to-image", "txt2img_payload": PAYLOAD}),
                await client.post("/invocations", data=b"{"),
                await client.get("/elsewhere"),
            ):
                assert int(answer.headers["Content-Length"]) == len(await answer.read())
                assert "Transfer-Encoding" not in answer.headers

    in_world(test)


def test_a_callers_fault_is_a_problem_document(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        async with served(world) as client:
            answer = await client.post("/invocations", data=b"{", headers=HEADERS)
            assert (answer.status, answer.content_type) == (400, "application/problem+json")
            assert (await answer.json())["job_id"] == "x-1"

    in_world(test)


def test_a_body_over_the_limit_is_refused_before_it_is_all_there(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MAX_BODY_BYTES", 10)

    async def test(world: World) -> None:
        answered = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            yield b"x" * 11
            await answered.wait()

        async with served(world) as client:
            answer = await client.post("/invocations", data=endless())
            assert (answer.status, (await answer.json())["code"]) == (413, "body_too_large")
            answered.set()

    in_world(test)


def test_a_crash_is_a_500_that_names_its_kind_and_no_more(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fall(*arguments: Any) -> None:
        raise KeyError("a secret")

    monkeypatch.setattr(app, "answer_invocation", fall)

    async def test(world: World) -> None:
        async with served(world) as client:
            answer = await client.post("/invocations", data=b"{}")
            text = await answer.text()
            assert (answer.status, json.loads(text)["code"]) == (500, "internal_error")
            assert "KeyError" in text and "a secret" not in text

    with caplog.at_level(logging.ERROR):
        in_world(test)
    assert [record.exc_info is not None for record in caplog.records] == [True]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 404), ("GET", "/invocations", 405)])
def test_there_are_two_routes_and_no_other(in_world: InWorld, method: str, path: str, status: int) -> None:
    async def test(world: World) -> None:
        async with served(world) as client:
            assert (await client.request(method, path)).status == status

    in_world(test)


def test_a_caller_that_hangs_up_takes_no_job_with_it(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        world.webui.gate.clear()
        job = world.accept()
        body = json.dumps(job.to_json()).encode()
        async with served(world) as client:
            handler = client.server.handler
            assert handler is not None
            _, writer = await asyncio.open_connection(client.host, client.port)
            writer.write(
                b"POST /invocations HTTP/1.1\r\nHost: serve\r\n"
                + f"X-Amzn-SageMaker-Inference-Id: {job.id}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            await until(lambda: world.webui.drawings)
            writer.close()
            await writer.wait_closed()
            await until(lambda: not handler.connections)
            world.webui.gate.set()
            await until(lambda: world.store.exists(keys.result(job.id)))
        result = world.store.result(job.id)
        assert result is not None and result.status.value == "succeeded"

    in_world(test)
