from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from serve import app
from serve.app import make_app
from serve.invocation import Invocation
from tests.unit.serve.conftest import InWorld
from tests.unit.serve.fakes import World


@pytest.mark.parametrize(
    ("attributes", "attempt"), [("attempt=3", 3), ("team=ink,attempt=12", 12), ("", 1), ("attempts=4", 1)]
)
def test_the_attempt_is_read_from_the_custom_attributes(attributes: str, attempt: int) -> None:
    headers = httpx.Headers({"X-Amzn-SageMaker-Custom-Attributes": attributes})
    assert Invocation.of(headers, b"").attempt == attempt


async def post(world: World, body: bytes) -> httpx.Response:
    transport = httpx.ASGITransport(make_app(world.container), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://serve") as client:
        return await client.post(
            "/invocations", content=body, headers={"X-Amzn-SageMaker-Inference-Id": "x-1"}
        )


def test_a_body_over_the_limit_is_refused_before_it_is_read(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MAX_BODY_BYTES", 10)

    async def test(world: World) -> None:
        answer = await post(world, b"x" * 11)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

    in_world(test)


def test_a_crash_is_a_500_that_names_its_kind_and_no_more(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fall(*arguments: Any) -> None:
        raise KeyError("a secret")

    monkeypatch.setattr(app, "answer_invocation", fall)

    async def test(world: World) -> None:
        answer = await post(world, b"{}")
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert "KeyError" in answer.text and "a secret" not in answer.text and asyncio.get_running_loop()

    in_world(test)
