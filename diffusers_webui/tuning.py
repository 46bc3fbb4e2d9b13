"""The fields that fine-tune sampling: each is the request's, or else an option's.

Source: stable-diffusion-webui modules/processing.py and modules/sd_samplers_common.py.
"""

import math
from dataclasses import dataclass
from typing import Any

from diffusers_webui.job import Job
from diffusers_webui.options import Options
from diffusers_webui.samplers import Sampler
from diffusers_webui.walks import Churn

#: what an infotext calls each, where it is not left at its default
_CHURN_NAMES = {
    "s_churn": "Sigma churn",
    "s_tmin": "Sigma tmin",
    "s_tmax": "Sigma tmax",
    "s_noise": "Sigma noise",
}


@dataclass(frozen=True)
class Tuning:
    """How one job's drawing is fine-tuned."""

    churn: Churn
    etas: dict[str, float]  #: by the option that is its default
    quiet_below: float  #: s_min_uncond: below this noise the negative prompt counts half the time
    noise_multiplier: float  #: of the noise on img2img's picture
    seed_delta: int  #: eta_noise_seed_delta: added to the seed of the noise that comes after the first
    is_tiled: bool  #: the edges of the picture meet

    def eta(self, sampler: Sampler) -> float:
        return self.etas[sampler.eta_option]


def tune(job: Job, options: Options) -> Tuning:
    """The fine-tuning of a job, while its overrides hold; what is unusual is noted for the infotext."""

    def value(key: str, option: str | None = None) -> float:
        own = job.body.get(key)
        return float(own if own is not None else options[option or key] or 0)

    tuning = Tuning(
        churn=Churn(value("s_churn"), value("s_tmin"), value("s_tmax") or math.inf, value("s_noise")),
        etas={option: value("eta", option) for option in ("eta_ancestral", "eta_ddim")},
        quiet_below=value("s_min_uncond"),
        noise_multiplier=value("initial_noise_multiplier"),
        seed_delta=int(options["eta_noise_seed_delta"] or 0),
        is_tiled=bool(job.body["tiling"] if job.body["tiling"] is not None else options["tiling"]),
    )
    job.extra_generation_params |= _noted(job, tuning, options)
    return tuning


def _noted(job: Job, tuning: Tuning, options: Options) -> dict[str, Any]:
    noted: dict[str, Any] = {}
    if job.init_images and tuning.noise_multiplier != 1:
        noted["Noise multiplier"] = tuning.noise_multiplier
    eta = tuning.eta(job.sampler)
    if job.sampler.takes_eta and eta != options.defaults[job.sampler.eta_option]:
        noted["Eta DDIM" if job.sampler.eta_option == "eta_ddim" else "Eta"] = eta
    for key in job.sampler.churn_fields:
        own = job.body[key] if job.body[key] is not None else options[key]
        if own != options.defaults[key]:
            noted[_CHURN_NAMES[key]] = own
    if tuning.quiet_below > 0:
        noted["NGMS"] = tuning.quiet_below
    return noted
