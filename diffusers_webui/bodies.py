"""The fields of each route's body, in the stock webui's order and with its defaults.

Source: GET /openapi.json of stable-diffusion-webui v1.10.1.
"""

from diffusers_webui.fields import (
    Fields,
    boolean,
    bounded,
    choice,
    flag,
    integer,
    items,
    mapping,
    number,
    objects,
    text,
    texts,
)

_DRAWING: Fields = {
    "prompt": text(""),
    "negative_prompt": text(""),
    "styles": texts(),
    "seed": integer(-1),
    "subseed": integer(-1),
    "subseed_strength": number(0),
    "seed_resize_from_h": integer(-1),
    "seed_resize_from_w": integer(-1),
    "sampler_name": text(),
    "scheduler": text(),
    "batch_size": integer(1),
    "n_iter": integer(1),
    "steps": integer(50),
    "cfg_scale": number(7.0),
    "width": integer(512),
    "height": integer(512),
    "restore_faces": boolean(),
    "tiling": boolean(),
    "do_not_save_samples": boolean(False),
    "do_not_save_grid": boolean(False),
    "eta": number(),
    "denoising_strength": number(),
    "s_min_uncond": number(),
    "s_churn": number(),
    "s_tmax": number(),
    "s_tmin": number(),
    "s_noise": number(),
    "override_settings": mapping(),
    "override_settings_restore_afterwards": boolean(True),
    "refiner_checkpoint": text(),
    "refiner_switch_at": number(),
    "disable_extra_networks": boolean(False),
    "firstpass_image": text(),
    "comments": mapping(),
}

_SCRIPTS: Fields = {
    "script_name": text(),
    "script_args": items([]),
    "send_images": boolean(True),
    "save_images": boolean(False),
    "alwayson_scripts": mapping({}),
    "infotext": text(),
}

TXT2IMG: Fields = {
    **_DRAWING,
    "enable_hr": boolean(False),
    "firstphase_width": integer(0),
    "firstphase_height": integer(0),
    "hr_scale": number(2.0),
    "hr_upscaler": text(),
    "hr_second_pass_steps": integer(0),
    "hr_resize_x": integer(0),
    "hr_resize_y": integer(0),
    "hr_checkpoint_name": text(),
    "hr_sampler_name": text(),
    "hr_scheduler": text(),
    "hr_prompt": text(""),
    "hr_negative_prompt": text(""),
    "force_task_id": text(),
    "sampler_index": text("Euler"),
    **_SCRIPTS,
}

IMG2IMG: Fields = {
    **_DRAWING,
    "denoising_strength": number(0.75),
    "init_images": items(),
    "resize_mode": integer(0),
    "image_cfg_scale": number(),
    "mask": text(),
    "mask_blur_x": integer(4),
    "mask_blur_y": integer(4),
    "mask_blur": integer(),
    "mask_round": boolean(True),
    "inpainting_fill": integer(0),
    "inpaint_full_res": boolean(True),
    "inpaint_full_res_padding": integer(0),
    "inpainting_mask_invert": integer(0),
    "initial_noise_multiplier": number(),
    "latent_mask": text(),
    "force_task_id": text(),
    "sampler_index": text("Euler"),
    "include_init_images": boolean(False),
    **_SCRIPTS,
}

_EXTRAS: Fields = {
    "resize_mode": choice(0, 0, 1),
    "show_extras_results": flag(True),
    "gfpgan_visibility": bounded(0, at_least=0, at_most=1),
    "codeformer_visibility": bounded(0, at_least=0, at_most=1),
    "codeformer_weight": bounded(0, at_least=0, at_most=1),
    "upscaling_resize": bounded(2, above=0),
    "upscaling_resize_w": bounded(512, at_least=1, whole=True),
    "upscaling_resize_h": bounded(512, at_least=1, whole=True),
    "upscaling_crop": flag(True),
    "upscaler_1": text("None", nullable=False),
    "upscaler_2": text("None", nullable=False),
    "extras_upscaler_2_visibility": bounded(0, at_least=0, at_most=1),
    "upscale_first": flag(False),
}

EXTRA_SINGLE: Fields = {**_EXTRAS, "image": text("", nullable=False)}

FILE: Fields = {"data": text(..., nullable=False), "name": text(..., nullable=False)}

EXTRA_BATCH: Fields = {**_EXTRAS, "imageList": objects(..., FILE)}

PNG_INFO: Fields = {"image": text(..., nullable=False)}
