from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from serve.catalog import collect
from serve.engine import ConnectionLost, Engine, EngineProgress, EngineSilent
from tests.unit.serve.fakes import PAYLOAD, reply
from webui_async.contract.catalog import check_names
from webui_async.contract.errors import EngineRefused, EngineReplyError
from webui_async.contract.fields import Names
from webui_async.contract.payload import Kind


def ask(call: Callable[[Engine], Awaitable[Any]], answer: httpx.Response | Exception) -> Any:
    """What `call` comes to when the engine answers so."""

    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def main() -> Any:
        async with httpx.AsyncClient(
            transport=httpx.MockTransport(handle), base_url="http://engine"
        ) as client:
            return await call(Engine(client))

    return asyncio.run(main())


def draw(answer: httpx.Response | Exception) -> Any:
    return ask(lambda engine: engine.draw(Kind.TXT2IMG, PAYLOAD), answer)


def test_a_reply_is_kept_as_it_came() -> None:
    body = json.dumps(reply(), indent=3).encode()
    drawn = draw(httpx.Response(200, content=body))
    assert drawn.body == body and drawn.document == reply()


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (httpx.Response(200, text="<html>"), EngineReplyError, "200 and 6 bytes"),
        (httpx.Response(500, text="Traceback (most recent call last)"), EngineReplyError, "not JSON"),
        (httpx.Response(200, content=b'{"images": ["iVB'), EngineReplyError, "not JSON"),
        (httpx.Response(200, json=[]), EngineReplyError, "no JSON object"),
        (
            httpx.Response(500, json={"error": "RuntimeError", "detail": "", "errors": "out of memory"}),
            EngineRefused,
            "RuntimeError: out of memory",
        ),
        (
            httpx.Response(422, json={"detail": [{"loc": ["body", "steps"], "msg": "not an integer"}]}),
            EngineRefused,
            "steps.*not an integer",
        ),
        (httpx.Response(404, json={"detail": "Init image not found"}), EngineRefused, "Init image not found"),
        (httpx.ReadError("reset"), ConnectionLost, "ReadError"),
        (httpx.RemoteProtocolError("incomplete"), ConnectionLost, "broke"),
        (httpx.ReadTimeout("slow"), EngineSilent, "ReadTimeout"),
    ],
)
def test_what_the_engine_says_wrong_is_ours_afterwards(
    answer: httpx.Response | Exception, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        draw(answer)


def test_an_error_message_is_short_and_holds_no_prompt() -> None:
    prompt = str(PAYLOAD["prompt"])
    complaint = f"cannot encode {prompt!r}: " + "x" * 5000
    with pytest.raises(EngineRefused) as caught:
        draw(httpx.Response(500, json={"error": "ValueError", "errors": complaint}))
    assert len(str(caught.value)) <= 500 and prompt not in str(caught.value)
    assert "cannot encode '(prompt)'" in str(caught.value)


def test_progress_is_read_from_the_webuis_own_document() -> None:
    state = {"sampling_step": 3, "sampling_steps": 20, "job_no": 1, "interrupted": False}
    document = {"progress": 0.58, "eta_relative": 4.5, "state": state, "current_image": None}
    progress = ask(lambda engine: engine.progress(), httpx.Response(200, json=document))
    assert progress == EngineProgress(0.58, 4.5, 3, 1, False)


@pytest.mark.parametrize("document", [{}, {"progress": None, "state": {}}, []])
def test_a_progress_that_is_none_is_said(document: Any) -> None:
    with pytest.raises(EngineReplyError):
        ask(lambda engine: engine.progress(), httpx.Response(200, json=document))


def collected(routes: dict[str, Any]) -> dict[str, Any]:
    def handle(request: httpx.Request) -> httpx.Response:
        route = request.url.path.removeprefix("/sdapi/v1/")
        return httpx.Response(200, json=routes[route]) if route in routes else httpx.Response(404)

    async def main() -> dict[str, Any]:
        async with httpx.AsyncClient(
            transport=httpx.MockTransport(handle), base_url="http://engine"
        ) as client:
            return await collect(Engine(client))

    return asyncio.run(main())


def test_a_catalog_names_no_place_on_the_engines_disk() -> None:
    models = [{"title": "ink.safetensors", "model_name": "ink", "filename": "/opt/ml/model/ink.safetensors"}]
    options = {
        "sd_model_checkpoint": "ink.safetensors",
        "outdir_samples": "/tmp/webui",
        "samples_format": "png",
    }
    catalog = collected({"sd-models": models, "options": options})
    assert "/opt/ml" not in json.dumps(catalog) and "/tmp" not in json.dumps(catalog)
    check_names(Names(checkpoints=[("model", "ink")]), catalog, "txt2img")


def test_an_engine_without_an_extension_has_an_empty_list_of_it() -> None:
    assert collected({"options": {}})["controlnet-models"] == []
    held = collected({"options": {}, "/controlnet/model_list": {"model_list": ["canny [0e4100b5]"]}})
    assert held["controlnet-models"] == ["canny [0e4100b5]"]
