"""The HTTP side without a model: descriptions, flags, passwords, and the routes that stop the process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from diffusers_webui import routes
from diffusers_webui.app import build_app
from diffusers_webui.arguments import parse
from diffusers_webui.engine import Engine

Open = Callable[..., TestClient]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """A client of an engine that was started with these flags, and loads nothing."""
    return lambda *flags: TestClient(build_app(Engine(parse([f"--data-dir={tmp_path}", *flags]))))


def test_openapi_json_describes_every_route_and_points_only_to_schemas_that_are_there(opened, tmp_path):
    description = opened().get("/openapi.json").json()
    described = {(path, way) for path, ways in description["paths"].items() for way in ways}
    entries = routes.table(Engine(parse([f"--data-dir={tmp_path}"])))
    assert described == {(entry.path, entry.method.lower()) for entry in entries}
    names = [name for entry in entries for name in (entry.gives.removesuffix("[]"), entry.body) if name]
    assert set(names) <= description["components"]["schemas"].keys()


def test_the_docs_page_lists_routes_and_fields_and_fetches_nothing(opened):
    answer = opened().get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "/sdapi/v1/txt2img" in answer.text and "cfg_scale" in answer.text
    assert "<script" not in answer.text and "http" not in answer.text.replace("<!DOCTYPE html>", "")


def test_cmd_flags_gives_what_was_said_and_the_folders_but_no_password(opened, tmp_path):
    flags = opened("--api-auth=me:secret", "--no-half").get("/sdapi/v1/cmd-flags", auth=("me", "secret"))
    assert flags.json()["no_half"] is True and flags.json()["xformers"] is False
    assert flags.json()["lora_dir"] == str(tmp_path / "models" / "Lora")
    assert "secret" not in flags.text


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (None, 401),
        (("me", "wrong"), 401),
        (("you", "secret"), 401),
        (("me", "secret"), 200),
        (("b", "c:d"), 200),
    ],
)
def test_api_auth_asks_for_a_known_user_and_password(opened, sent, status):
    client = opened("--api-auth=me:secret, b:c:d")
    answer = client.get("/sdapi/v1/samplers", auth=sent)
    assert answer.status_code == status
    if status == 401:
        assert answer.json()["error"] == "HTTPException" and "www-authenticate" not in answer.headers


def test_docs_and_lora_routes_stay_open_under_api_auth_like_in_the_stock_webui(opened):
    client = opened("--api-auth=me:secret")
    for path in ("/docs", "/openapi.json", "/sdapi/v1/loras"):
        assert client.get(path).status_code == 200
    assert client.post("/sdapi/v1/refresh-loras").status_code == 200
    assert client.get("/sdapi/v1/sd-models", headers={"Authorization": "Basic ?"}).status_code == 401


def test_a_password_flag_without_a_user_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        parse(["--api-auth=secret"])
    assert ended.value.code == 2 and "user:password" in capsys.readouterr().err


def test_the_routes_that_stop_the_process_are_there_only_when_asked_for(opened):
    for path in ("server-kill", "server-stop", "server-restart"):
        assert opened().post(f"/sdapi/v1/{path}").status_code == 404
    client = opened("--api-server-stop")
    assert client.post("/sdapi/v1/server-stop").text == "Stopping."
    assert client.post("/sdapi/v1/server-restart").status_code == 501


@pytest.mark.parametrize("flag", ["--tls-keyfile=x", "--freeze-settings", "--subpath=x"])
def test_a_flag_that_would_promise_what_is_not_there_is_refused(flag):
    with pytest.raises(SystemExit):
        parse([flag])


@pytest.mark.parametrize(
    "path",
    [
        "/sdapi/v1/interrogate",
        "/sdapi/v1/train/embedding",
        "/sdapi/v1/train/hypernetwork",
        "/sdapi/v1/create/embedding",
        "/sdapi/v1/create/hypernetwork",
        "/controlnet/detect",
        "/internal/progress",
    ],
)
def test_what_this_server_does_not_do_is_a_missing_route(opened, path):
    answer = opened().post(path, json={})
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


def test_listen_opens_every_address_and_the_default_is_loopback():
    assert parse(["--listen"]).server_name == "0.0.0.0"
    assert parse([]).server_name == "127.0.0.1"


def test_a_query_that_is_no_boolean_is_a_422_with_its_place(opened):
    answer = opened().get("/sdapi/v1/progress?skip_current_image=maybe")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "skip_current_image"]


def test_every_answer_says_how_long_it_took(opened):
    for path in ("/docs", "/sdapi/v1/samplers", "/nope"):
        assert float(opened().get(path).headers["x-process-time"]) >= 0
