"""The recorded exchanges, and the names that they use for checkpoints and LoRA."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

RECORDINGS = Path(__file__).resolve().parents[1] / "contract" / "recordings" / "stock_webui"

#: replayed in this order. Within a group each exchange stands on the ones before it.
GROUPS = ("routes", "errors", "checkpoints", "leak")


@dataclass(frozen=True)
class Exchange:
    """One request to the stock webui, and what it answered. Pictures in answers are cut short."""

    name: str
    method: str
    path: str
    headers: dict[str, str]
    content: str | None  #: the body as it is sent
    status: int
    body: Any  #: of the recorded answer, read as JSON
    text: str | None  #: of an answer that is no JSON

    def replay(self, client: httpx.Client) -> httpx.Response:
        return client.request(self.method, self.path, content=self.content, headers=self.headers)

    @property
    def sent(self) -> dict[str, Any]:
        """The body that is sent, read as JSON; {} when it is none."""
        try:
            body = json.loads(self.content or "{}")
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


@dataclass(frozen=True)
class Names:
    """What a server calls the models of the recordings."""

    first: str = "tinyA"  #: the checkpoint that is loaded at the start
    second: str = "tinyB"  #: another one
    lora: str = "dummylora"

    def put_into(self, text: str) -> str:
        for recorded, here in (("tinyA", self.first), ("tinyB", self.second), ("dummylora", self.lora)):
            text = text.replace(recorded, json.dumps(here)[1:-1])
        return text


def names_on(client: httpx.Client) -> Names:
    """The recordings' own names where the server has them, or else the first models that it has."""
    checkpoints = [item["model_name"] for item in client.get("/sdapi/v1/sd-models").json()]
    loras = [item["name"] for item in client.get("/sdapi/v1/loras").json()]
    own = Names()
    if {own.first, own.second} <= set(checkpoints) and own.lora in loras:
        return own
    if not checkpoints:
        raise LookupError("the server has no checkpoint: the recordings cannot be replayed")
    return Names(checkpoints[0], checkpoints[-1], loras[0] if loras else own.lora)


def read_group(group: str, names: Names) -> list[Exchange]:
    """The exchanges of one file of recordings."""
    text = names.put_into((RECORDINGS / f"{group}.json").read_text(encoding="utf-8"))
    return list(_read(json.loads(text)))


def _read(recorded: list[dict[str, Any]]) -> Iterator[Exchange]:
    for one in recorded:
        request, response = one["request"], one["response"]
        content = json.dumps(request["json"]) if request["json"] is not None else request["raw"]
        yield Exchange(
            one["name"],
            request["method"],
            request["path"],
            request["headers"] or {"Content-Type": "application/json"},
            content,
            response["status"],
            response["json"],
            response["text"],
        )
