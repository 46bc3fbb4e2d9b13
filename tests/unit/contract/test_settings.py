"""Settings: one frozen dataclass per process, out of flags and environment."""

from __future__ import annotations

import dataclasses

import pytest

from webui_async.contract.errors import SettingsError
from webui_async.contract.settings import HandlerSettings, ServeSettings, read_settings


def test_a_default_holds_where_nothing_is_set() -> None:
    assert read_settings(HandlerSettings, {"WEBUI_ASYNC_BUCKET": "b"}) == HandlerSettings("b")


def test_every_type_is_read_from_the_environment() -> None:
    settings = read_settings(
        HandlerSettings,
        {
            "WEBUI_ASYNC_BUCKET": "b",
            "WEBUI_ASYNC_HOLD_S": "2.5",
            "WEBUI_ASYNC_MAX_ACTIVE_JOBS": "7",
            "WEBUI_ASYNC_CALLBACK_ALLOW_HOSTS": "a:80, b:81,",
            "WEBUI_ASYNC_OWNER_ALIASES": '{"new": "old"}',
        },
    )
    assert (settings.hold_s, settings.max_active_jobs) == (2.5, 7)
    assert settings.callback_allow_hosts == ("a:80", "b:81")
    assert settings.owner_aliases == {"new": "old"}


def test_an_empty_list_and_table_are_empty() -> None:
    empty = {"WEBUI_ASYNC_CALLBACK_ALLOW_HOSTS": "", "WEBUI_ASYNC_OWNER_ALIASES": ""}
    assert read_settings(HandlerSettings, {"WEBUI_ASYNC_BUCKET": "b", **empty}) == HandlerSettings("b")


def test_a_flag_goes_before_the_environment() -> None:
    environment = {"WEBUI_ASYNC_BUCKET": "b", "WEBUI_ASYNC_ENDPOINT": "e", "WEBUI_ASYNC_PORT": "1"}
    assert read_settings(ServeSettings, environment, port=2, host=None).port == 2


@pytest.mark.parametrize("name", ["BUCKET", "ENDPOINT"])
def test_a_setting_that_is_needed_is_asked_for_by_name(name: str) -> None:
    environment = {"WEBUI_ASYNC_BUCKET": "b", "WEBUI_ASYNC_ENDPOINT": "e"}
    del environment[f"WEBUI_ASYNC_{name}"]
    with pytest.raises(SettingsError, match=f"WEBUI_ASYNC_{name} is not set"):
        read_settings(ServeSettings, environment)


@pytest.mark.parametrize(
    ("name", "text"),
    [("MAX_ACTIVE_JOBS", "many"), ("HOLD_S", ""), ("OWNER_ALIASES", "{"), ("OWNER_ALIASES", "[]")],
)
def test_a_value_that_cannot_be_read_is_named(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"WEBUI_ASYNC_{name} is "):
        read_settings(HandlerSettings, {"WEBUI_ASYNC_BUCKET": "b", f"WEBUI_ASYNC_{name}": text})


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        HandlerSettings("b").bucket = "c"  # type: ignore[misc]
