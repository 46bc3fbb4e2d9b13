"""parse_payload(): the one validator. submit and serve call it: nothing else reaches a webui."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from webui_async.contract import fields
from webui_async.contract.errors import InvalidPayload, MalformedBody, TooMuchWork
from webui_async.contract.fields import Limits, Names
from webui_async.contract.images import decode_base64, read_header
from webui_async.contract.reader import Reader

CHECKPOINT_SETTING = "sd_model_checkpoint"
DEFAULT_LIMITS = Limits()


class Kind(str, enum.Enum):
    """The webui's route that draws a job."""

    TXT2IMG = "txt2img"
    IMG2IMG = "img2img"
    EXTRA_SINGLE = "extra-single-image"
    EXTRA_BATCH = "extra-batch-images"

    @property
    def is_extras(self) -> bool:
        return self in (Kind.EXTRA_SINGLE, Kind.EXTRA_BATCH)


@dataclass(frozen=True)
class Payload:
    """A payload that may be drawn."""

    kind: Kind
    body: dict[str, Any]  #: what is POSTed to /sdapi/v1/{kind}
    names: Names
    uploads: tuple[tuple[str, str], ...]  #: (field, upload id)
    pixel_steps: int
    warnings: tuple[str, ...]


def parse_json(text: bytes | str) -> dict[str, Any]:
    """The JSON object in a body. NaN and Infinity are read, so that the validator can name their field.

    Raises MalformedBody when it is no JSON object.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedBody(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise MalformedBody(f"the body is a JSON {type(document).__name__}; it must be an object")
    return document


def parse_kind(value: object) -> Kind:
    """The kind named by `value`. Raises InvalidPayload."""
    try:
        return Kind(value)
    except ValueError as error:
        raise InvalidPayload(
            "kind", value, f"it must be one of {', '.join(kind.value for kind in Kind)}"
        ) from error


def parse_payload(kind: Kind, payload: Mapping[str, Any], limits: Limits = DEFAULT_LIMITS) -> Payload:
    """The payload as it will be POSTed to the webui: every field checked, every foreign one refused by name.

    A field that is null counts as not given.
    Raises InvalidPayload, ForbiddenField or TooMuchWork, each naming the field.
    """
    reader = Reader(kind.value, limits)
    body = reader.read(payload)
    if kind is Kind.IMG2IMG and not body.get("init_images"):
        raise InvalidPayload("init_images", payload.get("init_images"), "img2img needs at least one picture")
    if kind is Kind.EXTRA_SINGLE and not body.get("image"):
        raise InvalidPayload("image", payload.get("image"), "extra-single-image needs a picture")
    if kind is Kind.EXTRA_BATCH and not body.get("imageList"):
        raise InvalidPayload(
            "imageList", payload.get("imageList"), "extra-batch-images needs at least one picture"
        )
    pixel_steps = _pixel_steps(kind, body, limits)
    return Payload(kind, body, names_in(body), tuple(reader.uploads), pixel_steps, tuple(reader.warnings))


def names_in(body: Mapping[str, Any]) -> Names:
    """Everything that a parsed payload names and the engine must have."""
    names = Names()
    settings = body.get("override_settings") or {}
    if CHECKPOINT_SETTING in settings:
        names.checkpoints.append((f"override_settings.{CHECKPOINT_SETTING}", settings[CHECKPOINT_SETTING]))
    if settings.get("sd_vae") not in (None, "None", "Automatic"):
        names.vaes.append(("override_settings.sd_vae", settings["sd_vae"]))
    for field_name, place in (
        ("refiner_checkpoint", names.checkpoints), ("hr_checkpoint_name", names.checkpoints),
        ("sampler_name", names.samplers), ("hr_sampler_name", names.samplers),
        ("scheduler", names.schedulers), ("hr_scheduler", names.schedulers),
        ("hr_upscaler", names.upscalers), ("upscaler_1", names.upscalers), ("upscaler_2", names.upscalers),
    ):  # fmt: skip
        if _names_something(field_name, body.get(field_name)):
            place.append((field_name, body[field_name]))
    if not body.get("disable_extra_networks"):
        for field_name in ("prompt", "hr_prompt"):
            names.loras.extend((field_name, name) for name in fields.loras_in(body.get(field_name, "")))
    for script, content in (body.get("alwayson_scripts") or {}).items():
        names.scripts.append((f"alwayson_scripts.{script}", script))
        if script.lower() == fields.CONTROLNET:
            names.controlnet_models.extend(_controlnet_models(content["args"]))
    return names


def hires_size(body: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height that hires fix makes, up to what the webui rounds down to whole latents."""
    width, height = (body.get(name, fields.DEFAULTS[name]) for name in ("width", "height"))
    x, y = body.get("hr_resize_x", 0), body.get("hr_resize_y", 0)
    if not x and not y:
        scale = body.get("hr_scale", 2.0)
        return int(width * scale), int(height * scale)
    # The webui keeps the aspect ratio where only one side is given.
    return x or width * y // height, y or height * x // width


def fill_uploads(value: Any, load: Callable[[str], str]) -> Any:
    """The same JSON with every `upload:{id}` replaced by what `load(id)` gives."""
    if isinstance(value, dict):
        return {name: fill_uploads(item, load) for name, item in value.items()}
    if isinstance(value, list):
        return [fill_uploads(item, load) for item in value]
    upload_id = fields.upload_id_of(value)
    return load(upload_id) if upload_id else value


def _names_something(field_name: str, value: object) -> bool:
    if field_name in ("hr_checkpoint_name", "hr_sampler_name", "hr_scheduler"):
        return value not in (None, "", f"Use same {field_name.removeprefix('hr_').removesuffix('_name')}")
    return value not in (None, "", "None")


def _controlnet_models(units: list[dict[str, Any]]) -> list[tuple[str, str]]:
    found = (
        (f"alwayson_scripts.controlnet.args[{i}].model", unit.get("model")) for i, unit in enumerate(units)
    )
    return [(name, model) for name, model in found if model not in (None, "", "None")]


def _pixel_steps(kind: Kind, body: Mapping[str, Any], limits: Limits) -> int:
    if kind.is_extras:
        _check_extras_size(body, limits)
        return 0
    value: dict[str, int] = {name: body.get(name, default) for name, default in fields.DEFAULTS.items()}
    pictures = value["batch_size"] * value["n_iter"]
    work = value["width"] * value["height"] * value["steps"] * pictures
    if body.get("enable_hr"):
        width, height = hires_size(body)
        if width * height > limits.max_output_px:
            raise TooMuchWork(
                f"hires fix makes {width}x{height}; one picture may have {limits.max_output_px} pixels. "
                "Lower hr_scale"
            )
        work += width * height * (body.get("hr_second_pass_steps") or value["steps"]) * pictures
    if work > limits.max_pixel_steps:
        raise TooMuchWork(
            f"width x height x steps x pictures is {work}; this endpoint takes {limits.max_pixel_steps}. "
            "Lower one of width, height, steps, batch_size, n_iter or hr_scale"
        )
    return work


def _check_extras_size(body: Mapping[str, Any], limits: Limits) -> None:
    """Raises TooMuchWork when an upscaled picture would be too large. Uploads are read in the container."""
    if body.get("resize_mode") == 1:
        _check_output(body.get("upscaling_resize_w", 512) * body.get("upscaling_resize_h", 512), limits)
        return
    scale = body.get("upscaling_resize", 2)
    for image in [body.get("image"), *(entry["data"] for entry in body.get("imageList") or ())]:
        if image and not fields.upload_id_of(image):
            header = read_header(decode_base64(image))
            _check_output(int(header.width * scale) * int(header.height * scale), limits)


def _check_output(pixels: int, limits: Limits) -> None:
    if pixels > limits.max_output_px:
        raise TooMuchWork(f"extras would make {pixels} pixels; a picture may have {limits.max_output_px}")
