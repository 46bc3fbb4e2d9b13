from __future__ import annotations

import pytest

from serve.webui_process import STOCK_COMMAND, command, describe_exit, engine_environment
from webui_async.contract.errors import SettingsError
from webui_async.contract.settings import ServeSettings


def settings(**fields: object) -> ServeSettings:
    return ServeSettings("art", "ink", **fields)  # type: ignore[arg-type]


def test_the_commands_places_are_filled_in_and_may_hold_spaces() -> None:
    words = command(
        settings(engine_command="paint --port {port} --data-dir {data_dir}", data_dir="/tmp/my data")
    )
    assert words == ["paint", "--port", "7860", "--data-dir", "/tmp/my data"]


def test_without_a_command_the_stock_webui_is_launched_on_the_read_only_pack() -> None:
    words = command(settings())
    assert len(words) == len(STOCK_COMMAND) and "/opt/ml/model/Lora" in words
    assert "--models-dir" not in words and "--no-prompt-history" in words


@pytest.mark.parametrize("text", ["paint {prot}", "paint '", "paint {"])
def test_a_command_that_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match="WEBUI_ASYNC_ENGINE_COMMAND"):
        command(settings(engine_command=text))


def test_the_engine_sees_no_credentials_and_none_of_our_settings() -> None:
    ours = {
        "PATH": "/bin",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x",
        "WEBUI_ASYNC_BUCKET": "art",
        "CUDA_VISIBLE_DEVICES": "0",
        "SECRET": "x",
    }
    environment = engine_environment(settings(), ours)
    assert environment["PATH"] == "/bin" and environment["CUDA_VISIBLE_DEVICES"] == "0"
    assert environment["HOME"] == "/tmp/webui" and environment["HF_HUB_OFFLINE"] == "1"
    assert not [name for name in environment if name.startswith(("AWS_", "WEBUI_ASYNC_")) or name == "SECRET"]


def test_an_exit_is_told_with_its_usual_cause() -> None:
    assert "host memory" in describe_exit(-9)
    assert describe_exit(-11) == "was ended by signal 11" and describe_exit(3) == "exited with code 3"
