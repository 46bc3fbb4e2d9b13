"""Reads one payload field by field against the allow-lists in fields.py."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from webui_async.contract import fields
from webui_async.contract.errors import ForbiddenField, InvalidPayload
from webui_async.contract.fields import Field, Limits
from webui_async.contract.images import decode_base64, plain_base64, read_header
from webui_async.contract.samplers import split_sampler

#: Control characters beside tab and line ends, and lone surrogates, which no UTF-8 can hold.
_NO_TEXT = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f\\ud800-\\udfff]")
_SEPARATORS = re.compile(r"[/\\]")


class Reader:
    """Reads one payload; collects the uploads it refers to and the warnings it earned."""

    def __init__(self, kind: str, limits: Limits):
        self.kind, self.limits = kind, limits
        self.uploads: list[tuple[str, str]] = []
        self.warnings: list[str] = []

    def read(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        known = fields.FIELDS[self.kind]
        body: dict[str, Any] = {}
        for name, value in payload.items():
            if name in fields.DROPPED:
                self._warn_dropped(name, value)
            elif name in fields.SELECTABLE:
                _refuse_selectable(name, value)
            elif name in fields.REFUSED:
                raise ForbiddenField(name, fields.REFUSED[name])
            elif name not in known:
                raise ForbiddenField(name[:80], f"{self.kind} has no such field")
            elif value is not None:
                body[name] = self._value(name, value, known[name])
        return self._with_sampler(body)

    def _warn_dropped(self, name: str, value: object) -> None:
        if value:
            self.warnings.append(f"{name} was left out: {fields.DROPPED[name]}")

    def _with_sampler(self, body: dict[str, Any]) -> dict[str, Any]:
        """sampler_index under its new name, and "DPM++ 2M Karras" as sampler and scheduler."""
        old_name = body.pop("sampler_index", None)
        if old_name and not body.get("sampler_name"):
            body["sampler_name"] = old_name
        for sampler_field, scheduler_field in (
            ("sampler_name", "scheduler"),
            ("hr_sampler_name", "hr_scheduler"),
        ):
            if body.get(sampler_field):
                sampler, scheduler = split_sampler(body[sampler_field])
                body[sampler_field] = sampler
                if scheduler and not body.get(scheduler_field):
                    body[scheduler_field] = scheduler
        return body

    def _value(self, name: str, value: Any, rule: Field) -> Any:
        if rule.type == "own":
            return self._own(name, value)
        read = cast(Callable[[str, Any, Field], Any], getattr(self, f"_{rule.type}"))
        value = read(name, value, rule)
        if rule.choices and value not in rule.choices:
            raise InvalidPayload(name, value, f"it must be {_one_of(rule.choices)}{_because(rule.note)}")
        return value

    def _own(self, name: str, value: Any) -> Any:
        if name == "override_settings":
            return self._settings(value)
        if name == "alwayson_scripts":
            return self._scripts(value)
        return self._image_list(value)

    def _integer(self, name: str, value: Any, rule: Field) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise InvalidPayload(name, value, f"it must be a whole number {_range(rule)}")
        self._in_range(name, value, rule)
        if rule.multiple_of and value % rule.multiple_of:
            raise InvalidPayload(name, value, f"it must be a multiple of {rule.multiple_of} {_range(rule)}")
        return value

    def _number(self, name: str, value: Any, rule: Field) -> float:
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not _is_finite(value):
            raise InvalidPayload(name, value, f"it must be a number {_range(rule)}")
        self._in_range(name, value, rule)
        return value

    def _in_range(self, name: str, value: float, rule: Field) -> None:
        if rule.low is not None and rule.high is not None and not rule.low <= value <= rule.high:
            kind = "whole number" if rule.type == "integer" else "number"
            raise InvalidPayload(name, value, f"it must be a {kind} {_range(rule)}")

    def _boolean(self, name: str, value: Any, rule: Field) -> bool:
        if not isinstance(value, bool):
            raise InvalidPayload(name, value, "it must be true or false")
        return value

    def _string(self, name: str, value: Any, rule: Field, max_chars: int | None = None) -> str:
        most = max_chars or self.limits.max_text_chars
        if not isinstance(value, str) or len(value) > most:
            raise InvalidPayload(name, value, f"it must be a text of at most {most} characters")
        if _NO_TEXT.search(value):
            raise InvalidPayload(name, value, "it must be a text without control characters")
        if max_chars is None and _is_path(value):
            raise InvalidPayload(name, value, "it must be a name, not a place on a disk")
        return value

    def _prompt(self, name: str, value: Any, rule: Field) -> str:
        return self._string(name, value, rule, self.limits.max_prompt_chars)

    def _strings(self, name: str, value: Any, rule: Field) -> list[str]:
        items = self._list(name, value, self.limits.max_images)
        return [self._string(f"{name}[{i}]", item, rule) for i, item in enumerate(items)]

    def _list(self, name: str, value: Any, most: int) -> list[Any]:
        if not isinstance(value, list) or len(value) > most:
            raise InvalidPayload(name, value, f"it must be a list of at most {most}")
        return value

    def _images(self, name: str, value: Any, rule: Field) -> list[str]:
        items = self._list(name, value, self.limits.max_images)
        return [self._image(f"{name}[{i}]", item, rule) for i, item in enumerate(items)]

    def _image(self, name: str, value: Any, rule: Field) -> str:
        if not isinstance(value, str):
            raise InvalidPayload(name, value, "it must be a base64 picture or upload:{id}")
        if upload_id := fields.upload_id_of(value):
            self.uploads.append((name, upload_id))
            return value
        # The engine opens links and paths, so what reaches it is bare base64.
        text = plain_base64(value)
        check_image(name, text, self.limits)
        return text

    def _settings(self, value: Any) -> dict[str, Any]:
        settings = {}
        for key, item in _object("override_settings", value).items():
            if key not in fields.SETTINGS:
                hint = (
                    ' use "output": {"format": …}'
                    if key == "samples_format"
                    else " callers may not change that setting"
                )
                raise ForbiddenField(f"override_settings.{key[:80]}", hint.strip())
            if item is not None:
                settings[key] = self._value(f"override_settings.{key}", item, fields.SETTINGS[key])
        return settings

    def _scripts(self, value: Any) -> dict[str, Any]:
        """The scripts under their names in lower case: the webui minds no case, and would run both of two."""
        scripts: dict[str, Any] = {}
        for given, content in _object("alwayson_scripts", value).items():
            name, script = f"alwayson_scripts.{given[:80]}", given.lower()
            if script in scripts:
                raise ForbiddenField(name, "the script is named twice")
            if script == fields.CONTROLNET:
                scripts[script] = {"args": self._controlnet(self._args(name, content))}
            elif script in fields.PLAIN_SCRIPTS:
                args = enumerate(self._args(name, content))
                scripts[script] = {"args": [self._plain_arg(f"{name}.args[{i}]", arg) for i, arg in args]}
            else:
                allowed = ", ".join((fields.CONTROLNET, *fields.PLAIN_SCRIPTS))
                raise ForbiddenField(name, f"callers may use these scripts: {allowed}")
        return scripts

    def _args(self, name: str, content: Any) -> list[Any]:
        if foreign := set(_object(name, content)) - {"args"}:
            raise ForbiddenField(f"{name}.{min(foreign)[:80]}", "a script has args only")
        return self._list(f"{name}.args", content.get("args", []), 64)

    def _plain_arg(self, name: str, value: Any) -> Any:
        if isinstance(value, str):
            return self._string(name, value, Field("string"))
        if not isinstance(value, (bool, int, float)) or not _is_finite(value):
            raise InvalidPayload(name, value, "it must be a number, a flag or a short text")
        return value

    def _controlnet(self, units: list[Any]) -> list[dict[str, Any]]:
        if len(units) > fields.MAX_CONTROLNET_UNITS:
            raise InvalidPayload(
                "alwayson_scripts.controlnet.args", len(units), f"at most {fields.MAX_CONTROLNET_UNITS} units"
            )
        return [self._unit(f"alwayson_scripts.controlnet.args[{i}]", unit) for i, unit in enumerate(units)]

    def _unit(self, place: str, unit: Any) -> dict[str, Any]:
        parsed = {}
        for key, value in _object(place, unit).items():
            name = f"{place}.{key[:80]}"
            if key not in fields.CONTROLNET_UNIT:
                raise ForbiddenField(name, "callers may not use that ControlNet key")
            if value is not None:
                parsed[key] = self._unit_value(name, key, value)
        return parsed

    def _unit_value(self, name: str, key: str, value: Any) -> Any:
        modes = {"resize_mode": fields.RESIZE_MODES, "control_mode": fields.CONTROL_MODES}
        if key in modes:
            if isinstance(value, bool) or not isinstance(value, (str, int)) or value not in modes[key]:
                raise InvalidPayload(name, value, f"it must be {_one_of(modes[key])}")
            return value
        if key == "image" and isinstance(value, dict):
            if foreign := set(value) - {"image", "mask"}:
                raise ForbiddenField(f"{name}.{min(foreign)[:80]}", "a picture has image and mask only")
            return {
                part: self._image(f"{name}.{part}", item, Field("image"))
                for part, item in value.items()
                if item is not None
            }
        rule = fields.CONTROLNET_UNIT[key]
        return self._image(name, value, rule) if key == "image" else self._value(name, value, rule)

    def _image_list(self, value: Any) -> list[dict[str, str]]:
        images = []
        for i, item in enumerate(self._list("imageList", value, self.limits.max_images)):
            place = f"imageList[{i}]"
            entry = _object(place, item)
            if foreign := set(entry) - {"data", "name"}:
                raise ForbiddenField(f"{place}.{min(foreign)[:80]}", "an entry has data and name only")
            name = self._string(f"{place}.name", entry.get("name", f"{i}.png"), Field("string"))
            images.append(
                {"data": self._image(f"{place}.data", entry.get("data"), Field("image")), "name": name}
            )
        return images


def check_image(name: str, text: str, limits: Limits) -> None:
    """Nothing when `text` is a base64 picture of a size we take. Raises InvalidPayload."""
    try:
        header = read_header(decode_base64(text))
    except ValueError as error:
        raise InvalidPayload(
            name, text, f"it must be upload:{{id}} or a base64 PNG, JPEG or WebP picture, and is {error}"
        ) from error
    if not 0 < header.width * header.height <= limits.max_image_px:
        size = f"{header.width}x{header.height} picture"
        raise InvalidPayload(name, size, f"it may have at most {limits.max_image_px} pixels")


def _object(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidPayload(name, value, "it must be an object")
    return value


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _refuse_selectable(name: str, value: object) -> None:
    if value not in (None, "", "None", [], {}):
        raise ForbiddenField(name, "selectable scripts may not be run over this API")


def _is_path(text: str) -> bool:
    return text.startswith(("/", "\\", "~")) or ".." in _SEPARATORS.split(text)


def _range(rule: Field) -> str:
    return f"from {rule.low} to {rule.high}" if rule.low is not None and rule.high is not None else ""


def _one_of(choices: tuple[object, ...]) -> str:
    return " or ".join(json.dumps(choice) for choice in choices)


def _because(note: str) -> str:
    return f": {note}" if note else ""
