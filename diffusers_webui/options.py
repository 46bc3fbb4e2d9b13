"""The webui's options: defaults, config.json, overrides of one request, and what GET /options gives."""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from diffusers_webui.errors import BrokenOption, UnknownOption

#: set only by hand in config.json; over the API they are accepted and left alone, as in the stock webui
_RESTRICTED = ("api_enable_requests", "api_forbid_local_requests", "api_useragent")


class Options:
    """Every option of the stock webui with a value. Most steer nothing here; they are kept and given back."""

    def __init__(self, file: Path | None = None):
        """file: config.json; a missing one means defaults."""
        self._file = file
        self._lock = threading.Lock()
        self.defaults = _defaults()
        self._values = dict(self.defaults)
        if file is not None and file.exists():
            self._values.update(json.loads(file.read_text(encoding="utf-8")))

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def set(self, key: str, value: Any) -> None:
        """Change one option in memory. Raises UnknownOption."""
        if key not in self.defaults:
            raise UnknownOption(key)
        if key in _RESTRICTED:
            return
        self._values[key] = value

    @contextmanager
    def overridden(self, overrides: Mapping[str, Any], restore: bool) -> Iterator[None]:
        """One request's override_settings, undone when restore is set, however the request ends."""
        before = {key: self._values[key] for key in overrides if key in self._values}
        try:
            for key, value in overrides.items():
                self.set(key, value)
            yield
        finally:
            if restore:
                self._values.update(before)

    def listing(self) -> dict[str, Any]:
        """The body of GET /options: whole numbers as floats, as the stock webui's response model has them.

        Raises BrokenOption when an option was set to a value of another type.
        """
        return {key: _as_listed(key, self._values[key], default) for key, default in self.defaults.items()}

    def save(self) -> None:
        """Write config.json, whole or not at all."""
        if self._file is None:
            return
        with self._lock:
            part = self._file.with_suffix(".part")
            part.write_text(json.dumps(self._values, indent=4, ensure_ascii=False), encoding="utf-8")
            os.replace(part, self._file)


def _defaults() -> dict[str, Any]:
    text = resources.files("diffusers_webui").joinpath("options_defaults.json").read_text(encoding="utf-8")
    values: dict[str, Any] = json.loads(text)
    return values


def _as_listed(key: str, value: Any, default: Any) -> Any:
    if value is None or isinstance(default, bool | None):
        return value
    if isinstance(default, int | float):
        try:
            return float(value)
        except (TypeError, ValueError):
            raise BrokenOption(key, "value is not a valid float", "type_error.float") from None
    if isinstance(default, list) and not isinstance(value, list):
        raise BrokenOption(key, "value is not a valid list", "type_error.list")
    return value
