"""The answer to a drawing: pictures, the request and `info` with an infotext for each picture."""

import json
from dataclasses import dataclass
from typing import Any

from diffusers_webui import VERSION, infotext
from diffusers_webui.checkpoints import Checkpoint
from diffusers_webui.job import Job
from diffusers_webui.options import Options
from diffusers_webui.tuning import Tuning

#: what hires fix notes for infotexts alone: `info` has null for it
_NULL_IN_INFO = ("Hires prompt", "Hires negative prompt", "Hires schedule type")


@dataclass(frozen=True)
class Used:
    """What a drawing was really made with, noted while the request's overrides hold."""

    checkpoint: Checkpoint
    vae_name: str | None
    vae_hash: str | None
    clip_skip: int
    job_timestamp: str
    tuning: Tuning


def infotext_of(job: Job, i: int, used: Used, options: Options) -> str:
    """The infotext of the i-th picture. Source: modules/processing.py, create_infotext."""
    varied = job.subseed_strength != 0
    parameters: dict[str, Any] = {
        "Steps": job.steps,
        "Sampler": job.sampler.name,
        "Schedule type": job.scheduler.label,
        "CFG scale": job.cfg_scale,
        "Seed": job.seeds[i],
        "Face restoration": options["face_restoration_model"] if job.restore_faces else None,
        "Size": f"{job.width}x{job.height}",
        "Model hash": used.checkpoint.short_hash if options["add_model_hash_to_info"] else None,
        "Model": used.checkpoint.model_name if options["add_model_name_to_info"] else None,
        "VAE hash": used.vae_hash if options["add_vae_hash_to_info"] else None,
        "VAE": used.vae_name if options["add_vae_name_to_info"] else None,
        "Variation seed": job.subseeds[i] if varied else None,
        "Variation seed strength": job.subseed_strength if varied else None,
        "Seed resize from": "x".join(map(str, job.seed_resize_from)) if job.seed_resize_from else None,
        "Clip skip": used.clip_skip if used.clip_skip > 1 else None,
        "ENSD": used.tuning.seed_delta if used.tuning.seed_delta and job.sampler.uses_seed_delta else None,
        "Tiling": True if used.tuning.is_tiled else None,
        **job.extra_generation_params,
        "Version": VERSION if options["add_version_to_infotext"] else None,
    }
    return infotext.write(job.prompt, job.negative_prompt, parameters)


def info_of(job: Job, used: Used, infotexts: list[str], first: int) -> str:
    """The `info` of an answer, as JSON text. first: index of the first picture, 1 behind a grid."""
    count = len(job.seeds)
    return json.dumps(
        {
            "prompt": job.prompt,
            "all_prompts": [job.prompt] * count,
            "negative_prompt": job.negative_prompt,
            "all_negative_prompts": [job.negative_prompt] * count,
            "seed": job.seed,
            "all_seeds": job.seeds,
            "subseed": job.subseed,
            "all_subseeds": job.subseeds,
            "subseed_strength": job.subseed_strength,
            "width": job.width,
            "height": job.height,
            "sampler_name": job.sampler.name,
            "cfg_scale": job.cfg_scale,
            "steps": job.steps,
            "batch_size": job.batch_size,
            "restore_faces": job.restore_faces,
            "face_restoration_model": "CodeFormer" if job.restore_faces else None,
            "sd_model_name": used.checkpoint.model_name,
            "sd_model_hash": used.checkpoint.short_hash,
            "sd_vae_name": used.vae_name,
            "sd_vae_hash": used.vae_hash,
            "seed_resize_from_w": job.body["seed_resize_from_w"],
            "seed_resize_from_h": job.body["seed_resize_from_h"],
            "denoising_strength": job.denoising_strength,
            "extra_generation_params": {
                key: None if key in _NULL_IN_INFO else value
                for key, value in job.extra_generation_params.items()
            },
            "index_of_first_image": first,
            "infotexts": infotexts,
            "styles": job.styles,
            "job_timestamp": used.job_timestamp,
            "clip_skip": used.clip_skip,
            "is_using_inpainting_conditioning": False,
            "version": VERSION,
        }
    )


def parameters_of(body: dict[str, Any]) -> dict[str, Any]:
    """The request as it is echoed: with all defaults, and without its pictures unless they are asked for."""
    parameters = dict(body)
    if "init_images" in body and not body["include_init_images"]:
        parameters["init_images"] = parameters["mask"] = None
    return parameters
