"""The bodies people already have, as ours: (kind, payload) out of any known envelope.

Known: ours `{kind, payload}`, the webui's own bodies, `{"task": …, "…_payload": {…}}`, diffusers-style.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from webui_async.contract.errors import ForbiddenField, InvalidPayload, MalformedBody
from webui_async.contract.payload import CHECKPOINT_SETTING, Kind, parse_kind

#: task -> kind, and the key that holds its payload.
TASKS: Mapping[str, tuple[Kind, str]] = {
    "text-to-image": (Kind.TXT2IMG, "txt2img_payload"),
    "image-to-image": (Kind.IMG2IMG, "img2img_payload"),
    "extras-single-image": (Kind.EXTRA_SINGLE, "extras_single_payload"),
    "extras-batch-images": (Kind.EXTRA_BATCH, "extras_batch_payload"),
}

#: A diffusers pipeline's argument -> the webui's field.
DIFFUSERS_FIELDS: Mapping[str, str] = {
    "prompt": "prompt",
    "negative_prompt": "negative_prompt",
    "num_inference_steps": "steps",
    "guidance_scale": "cfg_scale",
    "num_images_per_prompt": "batch_size",
    "width": "width",
    "height": "height",
    "seed": "seed",
    "strength": "denoising_strength",
    "clip_skip": "clip_skip",
    "sampler": "sampler_name",
    "sampler_name": "sampler_name",
    "scheduler": "scheduler",
    "model": "model",
    "image": "image",
    "mask_image": "mask",
}
_DIFFUSERS_MARKS = ("num_inference_steps", "guidance_scale", "num_images_per_prompt")
#: Fields of /jobs beside kind and payload.
JOB_FIELDS = ("callback_url", "output", "ttl_s")


@dataclass(frozen=True)
class Envelope:
    """What an envelope held: not validated yet."""

    kind: Kind
    payload: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)  #: callback_url, output, ttl_s


def open_envelope(body: Mapping[str, Any]) -> Envelope:
    """The kind and payload in any known envelope. Raises MalformedBody, InvalidPayload or ForbiddenField."""
    options = {name: body[name] for name in JOB_FIELDS if body.get(name) is not None}
    rest = {name: value for name, value in body.items() if name not in JOB_FIELDS}
    if "kind" in rest or "payload" in rest:
        return Envelope(*_ours(rest), options)
    if "task" in rest:
        return Envelope(*_task(rest), options)
    if any(mark in rest for mark in _DIFFUSERS_MARKS):
        return Envelope(*_diffusers(rest), options)
    return Envelope(_kind_of_stock(rest), rest, options)


def _ours(body: Mapping[str, Any]) -> tuple[Kind, dict[str, Any]]:
    _refuse_foreign(body, ("kind", "payload"))
    kind = parse_kind(body.get("kind"))
    payload = body.get("payload")
    if not isinstance(payload, dict):
        raise InvalidPayload("payload", payload, f"it must be the object that /sdapi/v1/{kind.value} takes")
    return kind, payload


def _kind_of_stock(body: Mapping[str, Any]) -> Kind:
    if "init_images" in body:
        return Kind.IMG2IMG
    if "imageList" in body:
        return Kind.EXTRA_BATCH
    if "image" in body:
        return Kind.EXTRA_SINGLE
    if "prompt" in body:
        return Kind.TXT2IMG
    raise MalformedBody(
        'the body has no "kind" and "payload", no "task", and is no body of /sdapi/v1/txt2img or its like'
    )


def _task(body: Mapping[str, Any]) -> tuple[Kind, dict[str, Any]]:
    task = body["task"]
    if not isinstance(task, str) or task not in TASKS:
        raise InvalidPayload("task", task, f"it must be one of {', '.join(TASKS)}")
    kind, key = TASKS[task]
    # Senders fill in the other payload keys with null.
    _refuse_foreign(
        {name: value for name, value in body.items() if value is not None}, ("task", "model", "username", key)
    )
    payload = body.get(key)
    if not isinstance(payload, dict):
        raise InvalidPayload(key, payload, f"task {task} needs the object that /sdapi/v1/{kind.value} takes")
    return kind, _with_checkpoint(_tidy(payload), body.get("model"))


def _tidy(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A task payload without what its senders write and the webui means nothing by."""
    tidied = {name: value for name, value in payload.items() if not _is_endless(name, value)}
    if isinstance(styles := tidied.get("styles"), list):
        tidied["styles"] = [style for style in styles if style != "None"]
    scripts = tidied.get("alwayson_scripts")
    if isinstance(scripts, dict):
        tidied["alwayson_scripts"] = {name: _positional(content) for name, content in scripts.items()}
    if tidied.get("script_name") in (None, "", "None"):
        # Positional script_args of no script: the webui ignores them.
        tidied.pop("script_args", None)
        tidied.pop("script_name", None)
    return tidied


def _is_endless(name: str, value: object) -> bool:
    """s_tmax is infinite by default, and is often sent as a bare Infinity."""
    return name == "s_tmax" and isinstance(value, float) and math.isinf(value)


def _positional(content: Any) -> Any:
    return {"args": content} if isinstance(content, list) else content


def _diffusers(body: Mapping[str, Any]) -> tuple[Kind, dict[str, Any]]:
    _refuse_foreign(body, tuple(DIFFUSERS_FIELDS))
    payload = {DIFFUSERS_FIELDS[name]: value for name, value in body.items() if value is not None}
    settings = {}
    if "clip_skip" in payload:
        settings["CLIP_stop_at_last_layers"] = payload.pop("clip_skip")
    model = payload.pop("model", None)
    image = payload.pop("image", None)
    if settings:
        payload["override_settings"] = settings
    if image is not None:
        payload["init_images"] = image if isinstance(image, list) else [image]
    kind = Kind.TXT2IMG if image is None else Kind.IMG2IMG
    return kind, _with_checkpoint(payload, model)


def _with_checkpoint(payload: dict[str, Any], model: Any) -> dict[str, Any]:
    if model is None or model == "":
        return payload
    settings = payload.get("override_settings") or {}
    if not isinstance(settings, dict):
        return payload  # the validator names it
    named = {name: value for name, value in settings.items() if value is not None}
    return payload | {"override_settings": {CHECKPOINT_SETTING: model} | named}


def _refuse_foreign(body: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name in body:
        if name not in known:
            raise ForbiddenField(str(name)[:80], f"this envelope has {', '.join((*known, *JOB_FIELDS))}")
