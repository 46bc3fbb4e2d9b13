"""The engine's /sdapi/v1. What the engine says wrong becomes ours here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from serve.engine_http import EngineHttp, HttpAnswer
from serve.pictures import Picture, parse_reply, read_info, read_pictures
from webui_async.contract.errors import EngineRefused, EngineReplyError
from webui_async.contract.payload import Kind

#: The webui answers /progress in 9 ms while it draws, and in seconds while it loads a checkpoint.
CALL_TIMEOUT_S = 10.0
MAX_MESSAGE_CHARS = 500


@dataclass(frozen=True)
class Reply:
    """The engine's answer to one drawing."""

    body: bytes  #: as it came
    info: dict[str, Any]  #: what was drawn and with what, as the engine says
    pictures: list[Picture]  #: in the order of `read_pictures`


@dataclass(frozen=True)
class EngineProgress:
    """How far the drawing is. Source: GET /sdapi/v1/progress."""

    fraction: float
    eta_s: float | None
    step: int
    batch: int  #: batches drawn, of n_iter
    is_interrupted: bool  #: stays true until the next drawing begins

    @property
    def place(self) -> tuple[float, int, int]:
        """What changes whenever the engine gets on. Its eta changes even when it does not."""
        return self.fraction, self.batch, self.step


class Engine:
    """A client of one engine. Every method raises EngineRefused or EngineReplyError."""

    def __init__(self, http: EngineHttp):
        self._http = http
        self._samples_format = "png"
        self.loaded: str | None = None  #: the checkpoint it drew with last
        self.switches = 0  #: how often that was another one than before

    async def draw(self, kind: Kind, body: Mapping[str, Any]) -> Reply:
        """The reply to one drawing, however long it takes: who calls decides what is too long."""
        return self.read(kind, body, await self.post(kind, body))

    async def post(self, kind: Kind, body: Mapping[str, Any]) -> HttpAnswer:
        """The first half of `draw`: the engine is idle afterwards, and its answer is not looked at yet."""
        return await self._call("POST", kind.value, body, timeout_s=None)

    def read(self, kind: Kind, body: Mapping[str, Any], answer: HttpAnswer) -> Reply:
        """The second half: the pictures in the answer that `body` got.

        Not in a thread: the way there and back takes longer than the pictures do.
        """
        reply = _read_reply(kind, body, answer)
        self._note_checkpoint(reply.info.get("sd_model_name"))
        return reply

    async def progress(self) -> EngineProgress:
        document = await self._get("progress?skip_current_image=true")
        try:
            state = document["state"]
            return EngineProgress(
                fraction=float(document["progress"]),
                eta_s=document.get("eta_relative"),
                step=int(state["sampling_step"]),
                batch=int(state["job_no"]),
                is_interrupted=bool(state["interrupted"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise EngineReplyError("the engine's progress is not what the webui answers") from error

    async def interrupt(self) -> None:
        """Whatever is drawn now ends within a step. The engine's answer to it is a picture half done."""
        await self._call("POST", "interrupt", {})

    async def reload_checkpoint(self, timeout_s: float) -> None:
        """Returns when a checkpoint is loaded: the webui answers only then."""
        _read_json(await self._call("POST", "reload-checkpoint", {}, timeout_s))

    async def options(self) -> dict[str, Any]:
        options: dict[str, Any] = await self._get("options")
        self._samples_format = str(options.get("samples_format", "png"))
        return options

    async def use_format(self, image_format: str) -> None:
        """The next pictures come as png, jpg or webp.

        As an override_settings it has no effect: the webui encodes after it has put the options back.
        """
        if image_format != self._samples_format:
            _read_json(await self._call("POST", "options", {"samples_format": image_format}))
            self._samples_format = image_format

    async def list(self, path: str) -> Any:
        """The JSON at `path`; None when the engine has no such route."""
        answer = await self._call("GET", path)
        return None if answer.status == 404 else _read_json(answer)

    async def refresh(self, route: str) -> None:
        """The engine has read a folder again. The webui answers some of these only between two drawings."""
        _read_json(await self._call("POST", route, {}))

    def _note_checkpoint(self, name: object) -> None:
        if isinstance(name, str) and name != self.loaded:
            self.switches += self.loaded is not None
            self.loaded = name

    async def _get(self, path: str) -> dict[str, Any]:
        document = _read_json(await self._call("GET", path))
        if not isinstance(document, dict):
            raise EngineReplyError(f"the engine answered GET {path} with no JSON object")
        return document

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        timeout_s: float | None = CALL_TIMEOUT_S,
    ) -> HttpAnswer:
        url = path if path.startswith("/") else f"/sdapi/v1/{path}"
        return await self._http.request(method, url, body, timeout_s)


def _read_reply(kind: Kind, body: Mapping[str, Any], answer: HttpAnswer) -> Reply:
    document = _read_json(answer, parse_reply, _prompts(body))
    if not isinstance(document, dict):
        raise EngineReplyError("the engine answered a drawing with no JSON object")
    info = read_info(document)
    return Reply(answer.body, info, read_pictures(kind, document, info))


def _read_json(
    answer: HttpAnswer, parse: Callable[[bytes], Any] = json.loads, secrets: tuple[str, ...] = ()
) -> Any:
    """The answer's JSON. Raises EngineRefused for an error of the API, EngineReplyError for no API."""
    try:
        document = parse(answer.body)
    except (ValueError, RecursionError) as error:
        raise EngineReplyError(
            f"the engine answered {answer.place} with {answer.status} and {len(answer.body)} bytes "
            f"of {answer.content_type[:80]} that are not JSON"
        ) from error
    if answer.status >= 400:
        complaint = _clip(_complaint(document), secrets)
        raise EngineRefused(
            f"the engine answered {answer.place} with {answer.status}: {complaint}", answer.status
        )
    return document


def _complaint(document: Any) -> str:
    """What an error body says: the webui sends pydantic's `detail` list, or error, detail and errors."""
    if not isinstance(document, dict):
        return str(document)
    detail = document.get("detail")
    if isinstance(detail, list):
        detail = "; ".join(
            f"{item.get('loc')}: {item.get('msg')}" for item in detail if isinstance(item, dict)
        )
    parts = (document.get("error"), detail, document.get("errors"))
    return ": ".join(str(part) for part in parts if part)


def _prompts(body: Mapping[str, Any]) -> tuple[str, ...]:
    texts = (body.get(name) for name in ("prompt", "negative_prompt", "hr_prompt", "hr_negative_prompt"))
    return tuple(text for text in texts if isinstance(text, str) and text.strip())


def _clip(message: str, secrets: tuple[str, ...]) -> str:
    """At most 400 characters of a message, without the prompts: messages travel further than pictures."""
    for secret in sorted(secrets, key=len, reverse=True):
        message = message.replace(secret, "(prompt)").replace(repr(secret)[1:-1], "(prompt)")
    limit = MAX_MESSAGE_CHARS - 100
    return message if len(message) <= limit else f"{message[:limit]}…"
