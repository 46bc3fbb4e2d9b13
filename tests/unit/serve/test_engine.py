from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from serve.catalog import collect
from serve.engine import Engine, EngineProgress
from serve.engine_http import HttpAnswer
from tests.unit.serve.fakes import PAYLOAD, answered, png, reply
from webui_async.contract.catalog import check_names
from webui_async.contract.errors import EngineRefused, EngineReplyError
from webui_async.contract.fields import Names
from webui_async.contract.payload import Kind


class FixedHttp:
    """HTTP to an engine that has one answer for each route."""

    def __init__(self, answer_to: Callable[[str], HttpAnswer]):
        self._answer_to = answer_to

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None, timeout_s: float | None
    ) -> HttpAnswer:
        return self._answer_to(path.removeprefix("/sdapi/v1/"))


def ask(call: Callable[[Engine], Awaitable[Any]], answer: HttpAnswer) -> Any:
    """What `call` comes to when the engine answers so."""

    async def main() -> Any:
        return await call(Engine(FixedHttp(lambda route: answer)))

    return asyncio.run(main())


def raw(body: bytes, status: int = 200, content_type: str = "application/json") -> HttpAnswer:
    return HttpAnswer("POST /sdapi/v1/txt2img", status, content_type, body)


def draw(answer: HttpAnswer) -> Any:
    return ask(lambda engine: engine.draw(Kind.TXT2IMG, PAYLOAD), answer)


def test_a_reply_is_kept_as_it_came() -> None:
    body = json.dumps(reply(), indent=3).encode()
    drawn = draw(raw(body))
    assert drawn.body == body and [picture.data for picture in drawn.pictures] == [png()]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (raw(b"<html>", content_type="text/html"), EngineReplyError, "200 and 6 bytes of text/html"),
        (raw(b"Traceback (most recent call last)", 500), EngineReplyError, "not JSON"),
        (raw(b'{"images": ["iVB'), EngineReplyError, "not JSON"),
        (answered([]), EngineReplyError, "no JSON object"),
        (answered({"images": []}), EngineReplyError, "without a picture"),
        (
            answered({"error": "RuntimeError", "detail": "", "errors": "out of memory"}, 500),
            EngineRefused,
            "RuntimeError: out of memory",
        ),
        (
            answered({"detail": [{"loc": ["body", "steps"], "msg": "not an integer"}]}, 422),
            EngineRefused,
            "steps.*not an integer",
        ),
        (answered({"detail": "Init image not found"}, 404), EngineRefused, "Init image not found"),
    ],
)
def test_what_the_engine_says_wrong_is_ours_afterwards(
    answer: HttpAnswer, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        draw(answer)


def test_an_error_message_is_short_and_holds_no_prompt() -> None:
    prompt = str(PAYLOAD["prompt"])
    complaint = f"cannot encode {prompt!r}: " + "x" * 5000
    with pytest.raises(EngineRefused) as caught:
        draw(answered({"error": "ValueError", "errors": complaint}, 500))
    assert len(str(caught.value)) <= 500 and prompt not in str(caught.value)
    assert "cannot encode '(prompt)'" in str(caught.value)


def test_progress_is_read_from_the_webuis_own_document() -> None:
    state = {"sampling_step": 3, "sampling_steps": 20, "job_no": 1, "interrupted": False}
    document = {"progress": 0.58, "eta_relative": 4.5, "state": state, "current_image": None}
    progress = ask(lambda engine: engine.progress(), answered(document))
    assert progress == EngineProgress(0.58, 4.5, 3, 1, False)


@pytest.mark.parametrize("document", [{}, {"progress": None, "state": {}}, []])
def test_a_progress_that_is_none_is_said(document: Any) -> None:
    with pytest.raises(EngineReplyError):
        ask(lambda engine: engine.progress(), answered(document))


def collected(routes: dict[str, Any]) -> dict[str, Any]:
    def answer_to(route: str) -> HttpAnswer:
        return answered(routes[route]) if route in routes else answered({"detail": "Not Found"}, 404)

    return asyncio.run(collect(Engine(FixedHttp(answer_to))))


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
