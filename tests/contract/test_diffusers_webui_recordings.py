"""diffusers_webui against exchanges recorded from the stock webui v1.10.1: status, error class, body shape.

What differs on purpose stands in DIFFERENCES, with its reason.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from diffusers_webui.app import build_app
from diffusers_webui.arguments import parse
from diffusers_webui.engine import Engine

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as __main__ does, before torch is imported

RECORDINGS = Path(__file__).parent / "recordings" / "stock_webui"
DEMO = Path(__file__).parents[2] / "model_layout"

DIFFERENCES = {
    "err/docs": "no /docs page yet",
    "err/hr_fix_latent": "hires fix is refused, not built yet",
    "err/interrogate_offline": "interrogate needs models that are not here: the route is missing",
    "err/interrogate_unknown_model": "interrogate needs models that are not here: the route is missing",
    "err/script_missing_args": "there is no x/y/z plot: Script not found",
}

Exchange = dict[str, Any]


def _exchanges(group: str) -> list[Exchange]:
    found: list[Exchange] = json.loads((RECORDINGS / f"{group}.json").read_text(encoding="utf-8"))
    return [exchange for exchange in found if exchange["name"] not in DIFFERENCES]


@pytest.fixture(scope="module")
def webui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The demo model under the names of the recordings."""
    tree = tmp_path_factory.mktemp("stock")
    (tree / "ckpt").mkdir()
    (tree / "lora").mkdir()
    for name in ("tinyA", "tinyB"):
        for suffix in ("safetensors", "yaml"):
            demo = DEMO / "Stable-diffusion" / f"tiny-painter.{suffix}"
            (tree / "ckpt" / f"{name}.{suffix}").symlink_to(demo)
    (tree / "ckpt" / "clip").symlink_to(DEMO / "Stable-diffusion" / "clip")
    (tree / "ckpt" / "trunc.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{")
    (tree / "lora" / "dummylora.safetensors").symlink_to(DEMO / "Lora" / "blueprint.safetensors")
    engine = Engine(
        parse([f"--ckpt-dir={tree / 'ckpt'}", f"--lora-dir={tree / 'lora'}", f"--data-dir={tree}"])
    )
    engine.start()
    with TestClient(build_app(engine)) as client:
        assert client.post("/sdapi/v1/reload-checkpoint").json() == {}
        yield client


def _replayed(webui: TestClient, exchange: Exchange) -> Any:
    request = exchange["request"]
    content = request["raw"] if request["raw"] is not None else None
    headers = request["headers"] or {"Content-Type": "application/json"}
    if request["json"] is not None:
        content = json.dumps(request["json"])
    return webui.request(request["method"], request["path"], content=content, headers=headers)


@pytest.mark.parametrize("exchange", _exchanges("errors"), ids=lambda exchange: exchange["name"])
def test_a_wrong_request_is_answered_like_the_stock_webui(webui: TestClient, exchange: Exchange) -> None:
    _compare(_replayed(webui, exchange), exchange)


@pytest.mark.parametrize("exchange", _exchanges("routes"), ids=lambda exchange: exchange["name"])
def test_a_route_answers_like_the_stock_webui(webui: TestClient, exchange: Exchange) -> None:
    _compare(_replayed(webui, exchange), exchange)


def test_checkpoints_are_switched_like_in_the_stock_webui(webui: TestClient) -> None:
    for exchange in _exchanges("checkpoints"):  # one story: each line stands on the ones before
        _compare(_replayed(webui, exchange), exchange)


def _compare(answer: Any, exchange: Exchange) -> None:
    name, recorded = exchange["name"], exchange["response"]
    assert answer.status_code == recorded["status"], (name, answer.text[:500])
    assert "x-process-time" in answer.headers and "content-length" in answer.headers
    body, stock = answer.json(), recorded["json"]
    if answer.status_code == 422:
        assert body == stock, name
    elif answer.status_code != 200:
        assert body.keys() == stock.keys(), name
        assert body.get("error") == stock.get("error"), name
        assert bool(body["detail"]) == bool(stock["detail"]), name
    elif isinstance(stock, dict) and "parameters" in stock and "images" in stock:
        _compare_drawings(body, stock, exchange["request"]["json"], name)
    else:
        _compare_shapes(body, stock, name)


def _compare_drawings(body: Exchange, stock: Exchange, sent_body: Exchange, name: str) -> None:
    assert len(body["images"]) == len(stock["images"]), name
    for key in ("init_images", "mask"):
        ours, theirs = body["parameters"].pop(key, None), stock["parameters"].pop(key, None)
        assert (ours is None) == (theirs is None), name
    assert body["parameters"] == stock["parameters"], name
    info, stock_info = json.loads(body["info"]), json.loads(stock["info"])
    assert info.keys() == stock_info.keys(), name
    random: tuple[str, ...] = (
        "subseed",
        "all_subseeds",
        "job_timestamp",
        "sd_model_hash",
        "version",
        "infotexts",
        "extra_generation_params",
    )
    if "seed" not in sent_body:
        random += ("seed", "all_seeds")
    for key in info.keys() - set(random):
        assert info[key] == stock_info[key], (name, key)
    assert list(info["extra_generation_params"]) == list(stock_info["extra_generation_params"]), name
    for text, stock_text in zip(info["infotexts"], stock_info["infotexts"], strict=True):
        assert _keys_of(text) == _keys_of(stock_text), name
        assert text[: text.rfind("Steps: ")] == stock_text[: stock_text.rfind("Steps: ")], name


def _keys_of(infotext: str) -> list[str]:
    return [pair.split(":")[0] for pair in infotext.rsplit("\n", 1)[-1].split(", ")]


def _compare_shapes(body: Any, stock: Any, where: str) -> None:
    if isinstance(stock, dict) and isinstance(body, dict):
        if not where.endswith(("metadata", "parameters", "loaded", "ss_tag_frequency")):
            assert body.keys() == stock.keys(), where
        for key in body.keys() & stock.keys():
            _compare_shapes(body[key], stock[key], f"{where}.{key}")
    elif isinstance(stock, list) and isinstance(body, list):
        if body and stock:  # the lists themselves differ: each server tells what it has
            _compare_shapes(body[0], stock[0], f"{where}[0]")
    elif stock is not None and body is not None:
        numbers = (int, float)
        assert type(body) is type(stock) or (isinstance(body, numbers) and isinstance(stock, numbers)), where
