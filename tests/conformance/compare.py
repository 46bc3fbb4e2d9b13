"""In what an answer differs from the recorded one: status, error class, shape of the body."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx

from tests.conformance.exchanges import Exchange
from tests.conformance.spec import compare_specs

#: of `info`: rolled at random, or different on every machine
_VARYING = {
    "subseed",
    "all_subseeds",
    "job_timestamp",
    "sd_model_hash",
    "version",
    "infotexts",
    "extra_generation_params",
}

#: objects whose keys are data: models, files, options of another version
_OPEN = ("metadata", "parameters", "items", "loaded", "skipped", "ss_tag_frequency")


def differences(answer: httpx.Response, exchange: Exchange) -> Iterator[str]:
    """One sentence for each difference."""
    if answer.status_code != exchange.status:
        yield f"status {answer.status_code}, recorded {exchange.status}: {answer.text[:200]}"
        return
    if exchange.body is None and exchange.text not in (None, "null"):
        yield from _compare_texts(answer, exchange)
        return
    try:
        body = answer.json()
    except ValueError:
        yield f"the body is no JSON: {answer.text[:200]}"
        return
    yield from _compare_bodies(body, exchange)


def _compare_bodies(body: Any, exchange: Exchange) -> Iterator[str]:
    recorded = exchange.body
    if exchange.status == 422 and isinstance(recorded.get("detail"), list):
        yield from _equal("detail", body.get("detail"), recorded["detail"])
    elif exchange.status != 200:
        yield from _compare_errors(body, recorded)
    elif exchange.path == "/openapi.json":
        yield from compare_specs(body, recorded)
    elif isinstance(recorded, dict) and "parameters" in recorded and "images" in recorded:
        yield from _compare_drawings(body, recorded, exchange.sent)
    else:
        yield from _compare_shapes(body, recorded, "body")


def _compare_texts(answer: httpx.Response, exchange: Exchange) -> Iterator[str]:
    wants_html = (exchange.text or "").lstrip().startswith("<!DOCTYPE html>")
    if wants_html:
        yield from _equal("content type", answer.headers.get("content-type"), "text/html; charset=utf-8")
    else:
        yield from _equal("text", answer.text, exchange.text)


def _compare_errors(body: dict[str, Any], recorded: dict[str, Any]) -> Iterator[str]:
    yield from _equal("keys", sorted(body), sorted(recorded))
    yield from _equal("error class", body.get("error"), recorded.get("error"))
    yield from _equal("has a detail", bool(body.get("detail")), bool(recorded["detail"]))


def _compare_drawings(body: Any, recorded: Any, sent: dict[str, Any]) -> Iterator[str]:
    yield from _equal("number of images", len(body["images"]), len(recorded["images"]))
    parameters, recorded_parameters = dict(body["parameters"]), dict(recorded["parameters"])
    for key in ("init_images", "mask"):
        is_there = parameters.pop(key, None) is not None
        yield from _equal(f"{key} is echoed", is_there, recorded_parameters.pop(key, None) is not None)
    yield from _equal_items("parameters", parameters, recorded_parameters)
    yield from _compare_infos(json.loads(body["info"]), json.loads(recorded["info"]), sent)


def _compare_infos(info: Any, recorded: Any, sent: dict[str, Any]) -> Iterator[str]:
    varying = _VARYING if "seed" in sent else _VARYING | {"seed", "all_seeds"}
    yield from _equal("keys of info", sorted(info), sorted(recorded))
    fixed = info.keys() & recorded.keys() - varying
    yield from _equal_items("info", {key: info[key] for key in fixed}, {key: recorded[key] for key in fixed})
    yield from _equal(
        "keys of extra_generation_params",
        list(info["extra_generation_params"]),
        list(recorded["extra_generation_params"]),
    )
    texts, recorded_texts = info["infotexts"], recorded["infotexts"]
    yield from _equal("number of infotexts", len(texts), len(recorded_texts))
    for text, recorded_text in zip(texts, recorded_texts, strict=False):
        yield from _equal("prompt of the infotext", _head(text), _head(recorded_text))
        yield from _equal("keys of the infotext", _keys(text), _keys(recorded_text))


def _head(infotext: str) -> str:
    return infotext[: infotext.rfind("Steps: ")]


def _keys(infotext: str) -> list[str]:
    return [pair.split(":")[0] for pair in infotext.rsplit("\n", 1)[-1].split(", ")]


def _compare_shapes(body: Any, recorded: Any, where: str) -> Iterator[str]:
    if isinstance(recorded, dict) and isinstance(body, dict):
        if not where.endswith(_OPEN):
            yield from _equal(f"keys of {where}", sorted(body), sorted(recorded))
        for key in sorted(body.keys() & recorded.keys()):
            yield from _compare_shapes(body[key], recorded[key], f"{where}.{key}")
    elif isinstance(recorded, list) and isinstance(body, list):
        if body and recorded:  # how many there are is each server's own truth
            yield from _compare_shapes(body[0], recorded[0], f"{where}[0]")
    elif recorded is not None and body is not None:
        yield from _equal(f"type of {where}", _type(body), _type(recorded))


def _type(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return type(value).__name__
    return "number"


def _equal_items(what: str, found: dict[str, Any], recorded: dict[str, Any]) -> Iterator[str]:
    for key in sorted(found.keys() | recorded.keys()):
        yield from _equal(f"{what}.{key}", found.get(key, "missing"), recorded.get(key, "missing"))


def _equal(what: str, found: Any, recorded: Any) -> Iterator[str]:
    if found != recorded:
        yield f"{what}: {_short(found)}, recorded {_short(recorded)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 200 else text[:200] + "…"
