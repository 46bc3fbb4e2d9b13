from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from serve import launch
from serve.data_dir import DataDir
from serve.launch import STOCK_PROGRAM, command, engine_environment, prepare_data_dir
from webui_async.contract.errors import EngineBroken, SettingsError
from webui_async.contract.settings import ServeSettings

is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")


def settings(**fields: object) -> ServeSettings:
    return ServeSettings("art", "ink", **{"engine_uid": 0} | fields)  # type: ignore[arg-type]


def webui_dir(folder: Path, flags: str) -> str:
    (folder / "flags.txt").write_text(flags)
    return str(folder)


def test_the_commands_places_are_filled_in_and_may_hold_spaces() -> None:
    words = command(
        settings(engine_command="paint '#1' --port {port} --dir {data_dir}", data_dir="/tmp/my data")
    )
    assert words == ["paint", "#1", "--port", "7860", "--dir", "/tmp/my data"]


@pytest.mark.parametrize("text", ["paint {prot}", "paint '", "paint {", "paint {model_dir}", "paint {0}"])
def test_a_command_that_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match="WEBUI_ASYNC_ENGINE_COMMAND") as caught:
        command(settings(engine_command=text))
    assert "its places are {port} and {data_dir}" in str(caught.value)


def test_without_a_command_the_stock_webui_is_launched_with_the_flags_of_its_file(tmp_path: Path) -> None:
    flags = (
        "# what the webui is told\n\n"
        "--api      # what we call\n"
        "--port {port}  # the supervisor's\n"
        "--data-dir {data_dir}\n"
        "--styles-file '#1 styles.csv'\n"
    )
    words = command(settings(webui_dir=webui_dir(tmp_path, flags), data_dir="/tmp/my data"))
    told = ["--api", "--port", "7860", "--data-dir", "/tmp/my data", "--styles-file", "#1 styles.csv"]
    assert words == [*STOCK_PROGRAM, *told]


@pytest.mark.parametrize("line", ["api", "--api --nowebui --port 1", "--port {prot}", "--port 'x"])
def test_a_flag_that_cannot_be_read_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    folder = webui_dir(tmp_path, f"--api\n{line} # why\n")
    with pytest.raises(SettingsError, match=r"flags\.txt line 2 is"):
        command(settings(webui_dir=folder))


def test_a_missing_file_of_flags_is_said_with_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"flags\.txt cannot be read.*WEBUI_ASYNC_WEBUI_DIR"):
        command(settings(webui_dir=str(tmp_path)))


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


def test_every_start_finds_the_options_as_they_were_shipped(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"samples_format": "png"}))
    given = settings(webui_dir=str(tmp_path), data_dir=str(tmp_path / "data"))
    prepare_data_dir(given)
    options = tmp_path / "data" / "config.json"
    options.write_text(json.dumps({"samples_format": "jpg"}))
    prepare_data_dir(given)
    assert json.loads(options.read_text()) == {"samples_format": "png"}


def test_options_that_became_a_link_are_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "data").mkdir()
    for name in ("config.json", "config.json.part"):
        (tmp_path / "data" / name).symlink_to(victim)
    prepare_data_dir(settings(webui_dir=str(tmp_path), data_dir=str(tmp_path / "data")))
    assert victim.read_text() == "precious"
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["config.json"]


@pytest.mark.parametrize("name", ["config.json", "config.json.part"])
def test_a_folder_in_the_place_of_the_options_gives_way(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "data" / name / "full").mkdir(parents=True)
    prepare_data_dir(settings(webui_dir=str(tmp_path), data_dir=str(tmp_path / "data")))
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["config.json"]
    assert (tmp_path / "data" / "config.json").read_text() == "{}"


def test_without_options_of_ours_the_engine_keeps_its_own(tmp_path: Path) -> None:
    prepare_data_dir(settings(webui_dir=str(tmp_path), data_dir=str(tmp_path / "data")))
    assert list((tmp_path / "data").iterdir()) == []


def test_the_images_extensions_are_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "STOCK_WEBUI", tmp_path / "webui")
    (tmp_path / "webui" / "extensions" / "controlnet").mkdir(parents=True)
    for _ in range(2):
        prepare_data_dir(settings(webui_dir=str(tmp_path), data_dir=str(tmp_path / "data")))
        assert (tmp_path / "data" / "extensions" / "controlnet").is_dir()


def test_a_data_folder_that_cannot_be_made_is_said_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(EngineBroken, match=r"cannot be laid out.*WEBUI_ASYNC_DATA_DIR"):
        prepare_data_dir(settings(data_dir=str(tmp_path / "file" / "data")))


@is_root
def test_the_engines_user_writes_into_folders_and_cannot_replace_what_is_ours(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    given = settings(webui_dir=str(tmp_path), data_dir=str(tmp_path / "data"), engine_uid=10001)
    prepare_data_dir(given)
    DataDir(given).make_folder("models/Lora")
    for folder in ("data", "data/models", "data/models/Lora"):
        found = (tmp_path / folder).stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, 10001, 0o1770)
    assert (tmp_path / "data" / "config.json").stat().st_uid == 10001


@is_root
def test_a_folder_that_the_engine_made_becomes_ours(tmp_path: Path) -> None:
    given = settings(data_dir=str(tmp_path / "data"), engine_uid=10001)
    (tmp_path / "data" / "models").mkdir(parents=True)
    os.chown(tmp_path / "data" / "models", 10001, 10001)
    DataDir(given).make_folder("models")
    assert (tmp_path / "data" / "models").stat().st_uid == 0
