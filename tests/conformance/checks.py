"""What recordings cannot say: which fields change a picture, and what a running drawing looks like."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
from PIL import Image

from tests.conformance.compare import differences
from tests.conformance.exchanges import Exchange, Names, read_group

_BASE: dict[str, Any] = {"prompt": "a red star", "width": 64, "height": 64, "steps": 3, "seed": 1}

#: fields that change the picture
_CHANGING: dict[str, dict[str, Any]] = {
    "seed": {"seed": 2},
    "prompt": {"prompt": "a blue circle on a hill"},
    "negative_prompt": {"negative_prompt": "a red star"},
    "steps": {"steps": 5},
    "cfg_scale": {"cfg_scale": 2},
    "sampler_name": {"sampler_name": "Euler a"},
    "size": {"width": 128},
}

#: fields that the stock webui takes and that change nothing
_IGNORED: dict[str, dict[str, Any]] = {
    "an unknown field": {"no_such_field": 1},
    "force_task_id": {"force_task_id": "task-1"},
    "hr_scale without enable_hr": {"hr_scale": 4, "hr_upscaler": "Latent"},
    "an unknown style": {"styles": ["no such style"]},
    "an unknown scheduler": {"scheduler": "no such scheduler"},
    "an unknown checkpoint": {"override_settings": {"sd_model_checkpoint": "no such checkpoint"}},
    "an unknown LoRA": {"prompt": "a red star<lora:no such lora:1>"},
}

#: never sent to a server that is not ours: the stock webui may be killed by the kernel for it
_HUGE = {"width": 100_000, "height": 100_000, "steps": 1}


class Pictures:
    """Draws, and keeps the picture that everything is compared with."""

    def __init__(self, client: httpx.Client, names: Names):
        self._client, self._names = client, names
        self._plain: bytes | None = None

    @property
    def names(self) -> Names:
        return self._names

    @property
    def plain(self) -> bytes:
        if self._plain is None:
            self._plain = self.drawn({})
        return self._plain

    def drawn(self, fields: dict[str, Any]) -> bytes:
        """The pixels of one drawing, without the text in the file. Raises for anything but a picture."""
        answer = self._client.post("/sdapi/v1/txt2img", json=_BASE | fields)
        answer.raise_for_status()
        data = base64.b64decode(answer.json()["images"][0])
        return Image.open(io.BytesIO(data)).convert("RGB").tobytes()


def picture_checks(pictures: Pictures) -> dict[str, Callable[[], list[str]]]:
    """The checks of what changes a picture, by name; each gives its differences."""
    checks: dict[str, Callable[[], list[str]]] = {}
    for what, fields in _CHANGING.items():
        checks[f"picture/changes with {what}"] = lambda fields=fields: _changes(pictures, fields)
    for what, fields in _IGNORED.items():
        checks[f"picture/ignores {what}"] = lambda fields=fields: _stays(pictures, fields)
    checks["picture/is the same again"] = lambda: _stays(pictures, {})
    checks["picture/changes with the LoRA weight"] = lambda: _changes_with_lora(pictures)
    return checks


def _changes(pictures: Pictures, fields: dict[str, Any]) -> list[str]:
    return [] if pictures.drawn(fields) != pictures.plain else [f"{fields} changed nothing"]


def _stays(pictures: Pictures, fields: dict[str, Any]) -> list[str]:
    return [] if pictures.drawn(fields) == pictures.plain else [f"{fields} changed the picture"]


def _changes_with_lora(pictures: Pictures) -> list[str]:
    tag = f"{_BASE['prompt']} <lora:{pictures.names.lora}:"
    drawn = {weight: pictures.drawn({"prompt": f"{tag}{weight}>"}) for weight in ("0.4", "1", "1.5")}
    return [] if len(set(drawn.values())) == len(drawn) else ["two weights of one LoRA draw the same picture"]


def running_checks(client: httpx.Client, names: Names) -> Iterator[tuple[str, list[str]]]:
    """A drawing looked at while it runs, and interrupted."""
    recorded = {exchange.name: exchange for exchange in read_group("running", names)}
    drawing = recorded["run/05_interrupted_niter4"]
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(drawing.replay, client)
        _wait_for_step(client, 2, answer)
        for name in ("run/02_progress_running", "run/02b_progress_running_noimage"):
            yield name, _compared(client, recorded[name])
        _wait_for_step(client, 10, answer)
        yield from _preview(client, recorded["ui/04_sdapi_progress_preview"])
        client.post("/sdapi/v1/interrupt")
        yield drawing.name, list(differences(answer.result(), drawing))
    after = client.get("/sdapi/v1/progress").json()["state"]
    yield "running/interrupted is said until the next drawing", [] if after["interrupted"] else [str(after)]
    yield "run/03_progress_after", _compared(client, recorded["run/03_progress_after"])


def _preview(client: httpx.Client, recorded: Exchange) -> Iterator[tuple[str, list[str]]]:
    found = recorded.replay(client)
    problems = list(differences(found, recorded))
    picture = found.json()["current_image"]
    yield recorded.name, problems + ([] if picture else ["no picture after 10 steps"])


def _compared(client: httpx.Client, exchange: Exchange) -> list[str]:
    return list(differences(exchange.replay(client), exchange))


def _wait_for_step(client: httpx.Client, step: int, drawing: Future[httpx.Response]) -> None:
    """Until the drawing is at this step, or already over."""
    while not drawing.done():
        state = client.get("/sdapi/v1/progress?skip_current_image=true").json()["state"]
        if state["sampling_step"] >= step or (state["job_no"] > 0 and state["job_count"] > 0):
            return
        time.sleep(0.02)


def huge_check(client: httpx.Client) -> list[str]:
    """A size that fits into no memory is refused with the allocator's error, and the server goes on."""
    answer = client.post("/sdapi/v1/txt2img", json=_BASE | _HUGE)
    problems = []
    if answer.status_code != 500 or answer.json().get("error") != "RuntimeError":
        problems.append(f"status {answer.status_code}: {answer.text[:200]}")
    if "not enough memory" not in json.dumps(answer.json()):
        problems.append(f"not the allocator's message: {answer.text[:200]}")
    after = client.post("/sdapi/v1/txt2img", json=_BASE)
    return problems if after.status_code == 200 else [*problems, f"afterwards: {after.text[:200]}"]
