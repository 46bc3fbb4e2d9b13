"""submit and api over a stage: HTTP calls in, answers out, on a clock that only a held line moves."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from handlers import api, http, submit

from tests.unit.handlers.stage import ENDPOINT, OWNER, Stage, recorded
from webui_async.contract import keys

#: A 1x1 PNG.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
CATALOG: dict[str, Any] = {
    "sd-models": [
        {
            "title": "ink.safetensors [0123456789]",
            "model_name": "ink",
            "hash": "0123456789",
            "sha256": "01" * 32,
        }
    ],
    "loras": [{"name": "boats", "alias": "Boats"}],
    "samplers": [{"name": "Euler a", "aliases": ["k_euler_a"], "options": {}}],
    "schedulers": [{"name": "karras", "label": "Karras"}],
    "upscalers": [{"name": "Lanczos"}],
    "latent-upscale-modes": [{"name": "Latent"}],
    "scripts": {"txt2img": ["Hypertile"], "img2img": []},
    "options": {"sd_model_checkpoint": "ink.safetensors [0123456789]"},
    "controlnet-models": ["canny [abcd1234]"],
}


@dataclass(frozen=True)
class Answer:
    """What API Gateway would send on."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The problem's code; the answer has to be a problem."""
        assert self.headers["Content-Type"] == "application/problem+json", self
        assert self.json["status"] == self.status
        return str(self.json["code"])

    @property
    def detail(self) -> str:
        return str(self.json["detail"])


class Front:
    """The two functions behind the API."""

    def __init__(self, stage: Stage, **settings: Any):
        self.stage, self.clock = stage, time.time()
        self.while_held: list[Callable[[], object]] = []  #: one is done at each look of a held line
        wiring = stage.wire(**settings)
        self.wiring = dataclasses.replace(
            wiring, now=lambda: self.clock, sleep=self._sleep, random=os.urandom
        )
        self.routes = {
            "submit": (submit.ROUTES, http.make_app(self.wiring, submit.ROUTES)),
            "api": (api.ROUTES, http.make_app(self.wiring, api.ROUTES)),
        }

    def _sleep(self, seconds: float) -> None:
        self.clock += seconds
        if self.while_held:
            self.while_held.pop(0)()

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        """One call, answered by the function whose route it is; API Gateway knows no other."""
        event = self.event(method, path, body, **more)
        app = next(
            (
                app
                for routes, app in self.routes.values()
                if any(
                    _matches(route[1], path) and route[0] == method and route[1] != "/sdapi/v1/<route>"
                    for route in routes
                )
            ),
            self.routes["api"][1],
        )
        answer = http.resolve(app, event, None)
        headers = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
        return Answer(answer["statusCode"], headers, answer.get("body") or "")

    def event(
        self,
        method: str,
        path: str,
        body: Any = None,
        owner: str | None = OWNER,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        event = copy.deepcopy(recorded("apigw_post_jobs"))
        text = body if body is None or isinstance(body, str) else json.dumps(body)
        event |= {"httpMethod": method, "resource": path, "path": path, "body": text}
        event["queryStringParameters"] = query
        event["headers"] |= headers or {}
        event["requestContext"] |= {"path": f"/v1{path}", "requestTimeEpoch": int(self.clock * 1000)}
        event["requestContext"]["identity"]["apiKeyId"] = owner
        return event

    # What lies in the bucket ------------------------------------------------------------------------------

    def all_keys(self) -> list[str]:
        """Every object but the catalog and the uploads."""
        found = [entry.key for entry in self.stage.store.list("")]
        return [key for key in found if not key.startswith(("catalog/", "uploads/"))]

    def put_catalog(self, catalog: dict[str, Any] = CATALOG) -> None:
        self.stage.store.put_json(keys.catalog(ENDPOINT), catalog)


def _matches(route: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"<\w+>", "[^/]+", route), path) is not None
