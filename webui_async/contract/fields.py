"""The allow-lists: every field, setting, script and ControlNet key that a caller may use, with its bounds.

The webui itself checks next to none of this: it reads paths and URLs out of image fields, writes files where
settings say, unpickles what a ControlNet unit holds, and lets the kernel kill it for memory.
docs/stock-webui.md tells what was seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limits:
    """How much one job may ask for."""

    max_pixel_steps: int = (
        2_500_000_000  #: width × height × steps × pictures, the second pass of hires fix included
    )
    max_side_px: int = 2048
    max_output_px: int = 4096 * 4096  #: pixels of one picture after hires fix or extras
    max_steps: int = 150
    max_batch_size: int = 8
    max_n_iter: int = 16
    max_prompt_chars: int = 10_000
    max_images: int = 16
    max_image_px: int = 4096 * 4096  #: pixels of one input picture
    max_text_chars: int = 200
    max_body_bytes: int = 6_000_000  #: Lambda takes 6 MB; larger pictures are uploads


@dataclass(frozen=True)
class Field:
    """One field that a payload may have."""

    type: str  #: integer, number, boolean, string, prompt, image, images, strings; `own` is read in reader.py
    low: float | None = None
    high: float | None = None
    choices: tuple[object, ...] = ()
    multiple_of: int | None = None
    note: str = ""


def _integer(low: float, high: float, **more: object) -> Field:
    return Field("integer", low, high, **more)  # type: ignore[arg-type]


_SEED = _integer(-1, 2**63 - 1, note="-1 draws a random one")
_UNIT = Field("number", 0, 1)
_FLAG = Field("boolean")
_NAME = Field("string")
_SIDE = _integer(64, Limits.max_side_px, multiple_of=8)

_SHARED = {
    "prompt": Field("prompt"),
    "negative_prompt": Field("prompt"),
    "styles": Field("strings"),
    "seed": _SEED,
    "subseed": _SEED,
    "subseed_strength": _UNIT,
    "seed_resize_from_h": _integer(-1, Limits.max_side_px),
    "seed_resize_from_w": _integer(-1, Limits.max_side_px),
    "sampler_name": _NAME,
    "sampler_index": Field("string", note="the old name of sampler_name"),
    "scheduler": _NAME,
    "batch_size": _integer(1, Limits.max_batch_size),
    "n_iter": _integer(1, Limits.max_n_iter),
    "steps": _integer(1, Limits.max_steps),
    "cfg_scale": Field("number", 0, 100),
    "width": _SIDE,
    "height": _SIDE,
    "restore_faces": _FLAG,
    "tiling": _FLAG,
    "eta": _UNIT,
    "denoising_strength": _UNIT,
    "s_min_uncond": Field("number", 0, 15),
    "s_churn": Field("number", 0, 100),
    "s_tmax": Field("number", 0, 1000),
    "s_tmin": Field("number", 0, 1000),
    "s_noise": Field("number", 0, 10),
    "override_settings": Field("own", note="see override_settings below"),
    "override_settings_restore_afterwards": Field(
        "boolean", choices=(True,), note="settings never outlive a job"
    ),
    "refiner_checkpoint": _NAME,
    "refiner_switch_at": _UNIT,
    "disable_extra_networks": _FLAG,
    "send_images": Field("boolean", choices=(True,), note="a job without pictures has no result"),
    "alwayson_scripts": Field("own", note="see scripts below"),
}

_TXT2IMG = {
    "enable_hr": _FLAG,
    "firstphase_width": _integer(0, Limits.max_side_px),
    "firstphase_height": _integer(0, Limits.max_side_px),
    "hr_scale": Field("number", 1, 8),
    "hr_upscaler": _NAME,
    "hr_second_pass_steps": _integer(0, Limits.max_steps),
    "hr_resize_x": _integer(0, 4096),
    "hr_resize_y": _integer(0, 4096),
    "hr_checkpoint_name": _NAME,
    "hr_sampler_name": _NAME,
    "hr_scheduler": _NAME,
    "hr_prompt": Field("prompt"),
    "hr_negative_prompt": Field("prompt"),
}

_IMG2IMG = {
    "init_images": Field("images"),
    "resize_mode": _integer(0, 3),
    "image_cfg_scale": Field("number", 0, 100),
    "mask": Field("image"),
    "mask_blur": _integer(0, 64),
    "mask_blur_x": _integer(0, 64),
    "mask_blur_y": _integer(0, 64),
    "mask_round": _FLAG,
    "inpainting_fill": _integer(0, 3),
    "inpaint_full_res": _FLAG,
    "inpaint_full_res_padding": _integer(0, 256),
    "inpainting_mask_invert": _integer(0, 1),
    "initial_noise_multiplier": Field("number", 0, 2),
    "latent_mask": Field("image"),
    "include_init_images": _FLAG,
}

_EXTRAS = {
    "resize_mode": _integer(0, 1),
    "show_extras_results": _FLAG,
    "gfpgan_visibility": _UNIT,
    "codeformer_visibility": _UNIT,
    "codeformer_weight": _UNIT,
    "upscaling_resize": Field("number", 1, 8),
    "upscaling_resize_w": _integer(1, 4096),
    "upscaling_resize_h": _integer(1, 4096),
    "upscaling_crop": _FLAG,
    "upscaler_1": _NAME,
    "upscaler_2": _NAME,
    "extras_upscaler_2_visibility": _UNIT,
    "upscale_first": _FLAG,
}

#: kind -> field -> what it may hold.
FIELDS: Mapping[str, Mapping[str, Field]] = {
    "txt2img": _SHARED | _TXT2IMG,
    "img2img": _SHARED | _IMG2IMG,
    "extra-single-image": _EXTRAS | {"image": Field("image")},
    "extra-batch-images": _EXTRAS | {"imageList": Field("own", note='[{"data": base64, "name": text}]')},
}

#: Fields that the webui has and that do nothing here. They are left out, and the result's warnings say so.
DROPPED: Mapping[str, str] = {
    "save_images": "pictures are written to S3, never to the container's disk",
    "do_not_save_samples": "pictures are written to S3, never to the container's disk",
    "do_not_save_grid": "pictures are written to S3, never to the container's disk",
    "force_task_id": "the job's id is the task's id",
    "comments": "the webui does not read it",
}

#: The webui's fields for one script chosen by name: accepted when they choose none.
SELECTABLE = ("script_name", "script_args")

#: Fields that the webui has and that callers must not use, with the reason.
REFUSED: Mapping[str, str] = {
    "infotext": "it sets any field and setting unseen; send the fields themselves",
    "firstpass_image": "send the picture as init_images of img2img",
}

#: override_settings that a caller may use. Everything else is refused by name.
SETTINGS: Mapping[str, Field] = {
    "sd_model_checkpoint": _NAME,
    "sd_vae": _NAME,
    "CLIP_stop_at_last_layers": _integer(1, 12),
    "sdxl_clip_l_skip": _FLAG,
    "eta_noise_seed_delta": _integer(0, 2**31 - 1),
    "eta_ddim": _UNIT,
    "eta_ancestral": _UNIT,
    "emphasis": Field("string", choices=("None", "Ignore", "Original", "No norm")),
    "randn_source": Field("string", choices=("GPU", "CPU", "NV")),
    "s_min_uncond": Field("number", 0, 15),
    "s_churn": Field("number", 0, 100),
    "s_tmin": Field("number", 0, 10),
    "s_noise": Field("number", 0, 10),
    "token_merging_ratio": Field("number", 0, 0.9),
    "token_merging_ratio_hr": Field("number", 0, 0.9),
    "token_merging_ratio_img2img": Field("number", 0, 0.9),
    "tiling": _FLAG,
    "initial_noise_multiplier": Field("number", 0, 2),
    "img2img_color_correction": _FLAG,
    "img2img_fix_steps": _FLAG,
    "img2img_extra_noise": _UNIT,
    "inpainting_mask_weight": _UNIT,
    "always_discard_next_to_last_sigma": _FLAG,
    "sgm_noise_multiplier": _FLAG,
    "upcast_attn": _FLAG,
    "pad_cond_uncond": _FLAG,
    "face_restoration_model": Field("string", choices=("CodeFormer", "GFPGAN")),
    "code_former_weight": _UNIT,
}

#: Scripts of `alwayson_scripts` whose args are plain numbers, flags and short texts.
PLAIN_SCRIPTS = ("hypertile", "soft inpainting")
CONTROLNET = "controlnet"

#: Keys of one ControlNet unit. The extension unpickles `ipadapter_input`; its directory keys read the disk.
CONTROLNET_UNIT: Mapping[str, Field] = {
    "enabled": _FLAG,
    "module": _NAME,
    "model": _NAME,
    "weight": Field("number", 0, 2),
    "image": Field("own", note='base64, upload:{id}, or {"image": …, "mask": …}'),
    "input_image": Field("image"),
    "mask": Field("image"),
    "mask_image": Field("image"),
    "effective_region_mask": Field("image"),
    "resize_mode": Field("own", note="0 to 2, or the webui's own words"),
    "control_mode": Field("own", note="0 to 2, or the webui's own words"),
    "low_vram": _FLAG,
    "lowvram": _FLAG,
    "processor_res": _integer(-1, Limits.max_side_px),
    "threshold_a": Field("number", -1, 2048),
    "threshold_b": Field("number", -1, 2048),
    "guidance_start": _UNIT,
    "guidance_end": _UNIT,
    "pixel_perfect": _FLAG,
    "save_detected_map": _FLAG,
    "hr_option": Field("string", choices=("Both", "Low res only", "High res only")),
}
RESIZE_MODES = ("Just Resize", "Crop and Resize", "Resize and Fill", 0, 1, 2)
CONTROL_MODES = ("Balanced", "My prompt is more important", "ControlNet is more important", 0, 1, 2)
MAX_CONTROLNET_UNITS = 8

#: What the webui fills in where a payload is silent. Source: v1.10.1's openapi.json.
DEFAULTS: Mapping[str, int] = {"steps": 50, "width": 512, "height": 512, "batch_size": 1, "n_iter": 1}

_UPLOAD = re.compile(r"upload:([0-9a-f]{32})")
_NETWORK = re.compile(r"<(\w+):([^>]+)>")
_LORA_WORDS = ("lora", "lyco")


def upload_id_of(text: object) -> str | None:
    """The upload that an image field refers to; None when it holds something else."""
    match = _UPLOAD.fullmatch(text) if isinstance(text, str) else None
    return match[1] if match else None


def loras_in(prompt: str) -> list[str]:
    """The LoRAs that a prompt names, in order.

    What the webui would pass over in silence is given as it stands, `<LoRA:ink:1>` or `<hypernet:ink:1>`: no
    endpoint holds a LoRA of that name. Source: the webui's extra_networks.py, parse_prompt.
    """
    names = []
    for tag in _NETWORK.finditer(prompt):
        word, items = tag[1], tag[2].split(":")
        if word in _LORA_WORDS:
            positional = [item for item in items if item.count("=") != 1]
            names.append(positional[0] if positional else tag[0])
        elif word.lower() in (*_LORA_WORDS, "hypernet"):
            names.append(tag[0])
    return names


@dataclass(frozen=True)
class Names:
    """Everything that a payload names and the engine must have. Each entry: (field, name)."""

    checkpoints: list[tuple[str, str]] = field(default_factory=list)
    vaes: list[tuple[str, str]] = field(default_factory=list)
    loras: list[tuple[str, str]] = field(default_factory=list)
    samplers: list[tuple[str, str]] = field(default_factory=list)
    schedulers: list[tuple[str, str]] = field(default_factory=list)
    upscalers: list[tuple[str, str]] = field(default_factory=list)
    scripts: list[tuple[str, str]] = field(default_factory=list)
    controlnet_models: list[tuple[str, str]] = field(default_factory=list)
