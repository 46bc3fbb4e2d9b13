"""What the engine says it drew with, against what was asked for: it takes something else and answers 200."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from serve.pictures import Picture
from webui_async.contract.catalog import default_checkpoint, find_checkpoint, told_name
from webui_async.contract.fields import CONTROLNET, DEFAULTS
from webui_async.contract.images import decode_base64, read_header
from webui_async.contract.payload import CHECKPOINT_SETTING, Kind, Payload, hires_size

_CLIP_SKIP = "CLIP_stop_at_last_layers"
#: Fields that an info tells back as they were used. A seed of -1 asks for any.
_TOLD_BACK = ("sampler_name", "steps", "cfg_scale", "seed", "subseed")
_ANY_SEED = -1
#: The third parameter of an infotext; the parameters are on its last line, after the prompts.
_SCHEDULE = re.compile(r"(?:^|, )Schedule type: ([^,]+)")
#: The webui draws in latents of 8 pixels; hires fix and extras round their sizes down to that.
_LATENT_PX = 8

Size = tuple[int, int]


def differences(
    payload: Payload, info: Mapping[str, Any], pictures: Sequence[Picture], catalog: Mapping[str, Any]
) -> list[str]:
    """A sentence for every field that was asked for one way and drawn another.

    pictures: of the reply, in the order of `read_pictures`; catalog: of the engine that drew them.
    Not to be found out from a reply: upscalers and face restorers whose weights are missing, a LoRA of the
    wrong family, schedulers with a sampler that has its own.
    """
    if payload.kind.is_extras:
        return list(_upscaled_size(payload.body, pictures))
    drawn = [picture for picture in pictures if picture.seed is not None]
    return [
        *_checkpoint(payload, info, catalog),
        *_vae(payload.body, info),
        *_told_back(payload.body, info),
        *_denoising_strength(payload, info),
        *_scheduler(payload.body, info, catalog),
        *_clip_skip(payload.body, info, catalog),
        *_loras(payload, info),
        *_styles(payload.body, info),
        *_refiner(payload, info, catalog),
        *_controlnet(payload.body, info, len(pictures) - len(drawn)),
        *_number(payload.body, drawn),
        *_size(payload, info, drawn),
    ]


def is_other_checkpoint(payload: Payload, info: Mapping[str, Any], catalog: Mapping[str, Any]) -> bool:
    """Whether another checkpoint drew than the one that was asked for, or than the engine's default one."""
    return bool(list(_checkpoint(payload, info, catalog)))


def pictures_asked(body: Mapping[str, Any]) -> int:
    """How many pictures a txt2img or img2img body asks for."""
    # Several init_images are one batch, whatever batch_size says.
    inits = len(body.get("init_images") or ())
    batch = inits if inits > 1 else body.get("batch_size", DEFAULTS["batch_size"])
    return int(batch * body.get("n_iter", DEFAULTS["n_iter"]))


def _checkpoint(payload: Payload, info: Mapping[str, Any], catalog: Mapping[str, Any]) -> Iterable[str]:
    asked = _settings(payload.body).get(CHECKPOINT_SETTING) or default_checkpoint(catalog)
    used = info.get("sd_model_name")
    if asked and used and not _is_same(asked, used, info.get("sd_model_hash"), catalog):
        yield _sentence(f"override_settings.{CHECKPOINT_SETTING}", asked, used)


def _vae(body: Mapping[str, Any], info: Mapping[str, Any]) -> Iterable[str]:
    asked = _settings(body).get("sd_vae")
    if asked not in (None, "None", "Automatic") and info.get("sd_vae_name", asked) != asked:
        yield _sentence("override_settings.sd_vae", asked, info["sd_vae_name"])


def _told_back(body: Mapping[str, Any], info: Mapping[str, Any]) -> Iterable[str]:
    for field in _TOLD_BACK:
        asked = body.get(field)
        if asked not in (None, "", _ANY_SEED) and info.get(field, asked) != asked:
            yield _sentence(field, asked, info[field])


def _denoising_strength(payload: Payload, info: Mapping[str, Any]) -> Iterable[str]:
    asked = payload.body.get("denoising_strength")
    counts = payload.kind is Kind.IMG2IMG or payload.body.get("enable_hr")
    if counts and asked is not None and info.get("denoising_strength", asked) != asked:
        yield _sentence("denoising_strength", asked, info["denoising_strength"])


def _scheduler(body: Mapping[str, Any], info: Mapping[str, Any], catalog: Mapping[str, Any]) -> Iterable[str]:
    asked, text = body.get("scheduler"), next(iter(info.get("infotexts") or ()), "")
    used = _SCHEDULE.search(str(text).rpartition("\n")[2])
    labels = {entry.get("name"): entry.get("label") for entry in catalog.get("schedulers") or ()}
    label = labels.get(asked, asked)
    if used and label not in (None, "", "Automatic", used[1]):
        yield _sentence("scheduler", asked, used[1])


def _clip_skip(body: Mapping[str, Any], info: Mapping[str, Any], catalog: Mapping[str, Any]) -> Iterable[str]:
    default = (catalog.get("options") or {}).get(_CLIP_SKIP)
    asked = _settings(body).get(_CLIP_SKIP, default)
    if asked is not None and info.get("clip_skip", asked) != asked:
        yield _sentence(f"override_settings.{_CLIP_SKIP}", asked, info["clip_skip"])


def _loras(payload: Payload, info: Mapping[str, Any]) -> Iterable[str]:
    if not info.get("sd_model_hash"):
        return  # an engine that hashes nothing names no LoRA either
    entries = str(_parameters(info).get("Lora hashes") or "").split(", ")
    used = {entry.rpartition(": ")[0] for entry in entries}
    for field, name in dict.fromkeys(payload.names.loras):
        # The webui leaves both characters out of the names that it lists.
        if name.replace(":", "").replace(",", "") not in used:
            yield f"{field} asked for the LoRA {name!r}, and the engine drew without it"


def _styles(body: Mapping[str, Any], info: Mapping[str, Any]) -> Iterable[str]:
    """A style is text around the prompts: none was found where both are as they were."""
    styles = [style for style in body.get("styles") or () if style not in ("", "None")]
    if styles and all(
        (info.get(f"all_{field}s") or [None])[0] == body.get(field, "")
        for field in ("prompt", "negative_prompt")
    ):
        yield f"styles asked for {', '.join(map(repr, styles))}, and the engine left the prompts as they were"


def _refiner(payload: Payload, info: Mapping[str, Any], catalog: Mapping[str, Any]) -> Iterable[str]:
    asked = payload.body.get("refiner_checkpoint")
    if asked in (None, "", "None") or payload.body.get("refiner_switch_at") == 1:
        return
    if _is_same(asked, info.get("sd_model_name"), info.get("sd_model_hash"), catalog):
        return  # the webui does not switch to the checkpoint that draws already
    used, _, short_hash = str(_parameters(info).get("Refiner") or "").partition(" [")
    if not used:
        yield f"refiner_checkpoint asked for {asked!r}, and the engine never switched to it"
    elif not _is_same(asked, used, short_hash.rstrip("]"), catalog):
        yield _sentence("refiner_checkpoint", asked, used)


def _controlnet(body: Mapping[str, Any], info: Mapping[str, Any], others: int) -> Iterable[str]:
    """others: pictures that no seed made.

    ControlNet swallows its errors. It writes its parameters before it tries, and appends the maps of all its
    units only when all of them have worked.
    """
    script = (body.get("alwayson_scripts") or {}).get(CONTROLNET) or {}
    units = [unit for unit in script.get("args") or () if unit.get("enabled") is True]
    named = [name for name in _parameters(info) if re.fullmatch(r"ControlNet \d+", name)]
    wants_map = any(unit.get("save_detected_map") is not False for unit in units)
    if len(named) < len(units) or (wants_map and not others):
        yield f"alwayson_scripts.{CONTROLNET} asked for {len(units)} units, and the engine drew without"


def _number(body: Mapping[str, Any], drawn: Sequence[Picture]) -> Iterable[str]:
    asked = pictures_asked(body)
    if len(drawn) != asked:
        yield f"batch_size and n_iter asked for {asked} pictures, and the engine drew {len(drawn)}"


def _size(payload: Payload, info: Mapping[str, Any], drawn: Sequence[Picture]) -> Iterable[str]:
    body = payload.body
    made = {(picture.width, picture.height) for picture in drawn}
    if payload.kind is Kind.IMG2IMG and _parameters(info).get("Inpaint area") == "Only masked":
        # What is drawn is put back into the whole picture, which may have been turned upright.
        inits = {_size_of(image) for image in body["init_images"]}
        yield from _other_sizes("init_images", made, inits | {(height, width) for width, height in inits})
    elif payload.kind is Kind.TXT2IMG and body.get("enable_hr"):
        yield from _rounded_sizes("hr_scale, hr_resize_x and hr_resize_y", made, hires_size(body))
    else:
        asked = (body.get("width", DEFAULTS["width"]), body.get("height", DEFAULTS["height"]))
        yield from _other_sizes("width and height", made, {asked})


def _upscaled_size(body: Mapping[str, Any], pictures: Sequence[Picture]) -> Iterable[str]:
    if body.get("upscaler_1") in (None, "", "None"):
        return  # the webui enlarges nothing without one
    texts = [body["image"]] if "image" in body else [entry["data"] for entry in body.get("imageList") or ()]
    for picture, text in zip(pictures, texts, strict=False):
        width, height = _size_of(text)
        if (picture.width > picture.height) != (width > height):
            width, height = height, width  # turned upright
        field, asked = _upscaled(body, width, height)
        yield from _rounded_sizes(field, {(picture.width, picture.height)}, asked)


def _upscaled(body: Mapping[str, Any], width: int, height: int) -> tuple[str, Size]:
    """The field that sets the size, and the size that it makes of width x height."""
    if body.get("resize_mode") != 1:
        field, scale = "upscaling_resize", body.get("upscaling_resize", 2)
    else:
        field = "upscaling_resize_w and upscaling_resize_h"
        asked = (body.get("upscaling_resize_w", 512), body.get("upscaling_resize_h", 512))
        if body.get("upscaling_crop", True):
            return field, asked
        scale = max(asked[0] / width, asked[1] / height)
    return field, (int(width * scale), int(height * scale))


def _other_sizes(field: str, made: set[Size], asked: set[Size]) -> Iterable[str]:
    for width, height in sorted(made - asked):
        first = min(asked)
        yield f"{field} asked for {first[0]}x{first[1]}, and the engine drew {width}x{height}"


def _rounded_sizes(field: str, made: set[Size], asked: Size) -> Iterable[str]:
    near = {size for size in made if all(abs(a - b) < _LATENT_PX for a, b in zip(size, asked, strict=True))}
    yield from _other_sizes(field, made - near, {asked})


def _size_of(image: str) -> Size:
    header = read_header(decode_base64(image))
    return header.width, header.height


def _settings(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return body.get("override_settings") or {}


def _parameters(info: Mapping[str, Any]) -> Mapping[str, Any]:
    """What scripts and options have added to the infotext."""
    parameters = info.get("extra_generation_params")
    return parameters if isinstance(parameters, dict) else {}


def _is_same(asked: str, used: object, used_hash: object, catalog: Mapping[str, Any]) -> bool:
    """Whether a checkpoint asked for by any of its names is the one that an info tells of.

    An info has the bare file name, and the first ten digits of the hash.
    """
    entry = find_checkpoint(catalog, asked) or {"title": asked}
    if entry.get("hash") and used_hash:
        return bool(entry["hash"] == used_hash)
    return used in (told_name(entry), entry.get("model_name"))


def _sentence(field: str, asked: object, used: object) -> str:
    return f"{field} asked for {asked!r}, and the engine used {used!r}"
