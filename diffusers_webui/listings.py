"""What the list routes give, where it does not depend on files: only what this server really does.

Entries are the stock webui's own (names, aliases, options), so that a client cannot tell the difference.
"""

from typing import Any

SAMPLERS: tuple[dict[str, Any], ...] = (
    {"name": "DPM++ 2M", "aliases": ["k_dpmpp_2m"], "options": {"scheduler": "karras"}},
    {
        "name": "DPM++ SDE",
        "aliases": ["k_dpmpp_sde"],
        "options": {"scheduler": "karras", "second_order": "True", "brownian_noise": "True"},
    },
    {
        "name": "DPM++ 2M SDE",
        "aliases": ["k_dpmpp_2m_sde"],
        "options": {"scheduler": "exponential", "brownian_noise": "True"},
    },
    {"name": "Euler a", "aliases": ["k_euler_a", "k_euler_ancestral"], "options": {"uses_ensd": "True"}},
    {"name": "Euler", "aliases": ["k_euler"], "options": {}},
    {"name": "LMS", "aliases": ["k_lms"], "options": {}},
    {"name": "Heun", "aliases": ["k_heun"], "options": {"second_order": "True"}},
    {"name": "DDIM", "aliases": ["ddim"], "options": {}},
    {"name": "UniPC", "aliases": ["unipc"], "options": {}},
    {"name": "LCM", "aliases": ["k_lcm"], "options": {}},
)


def _scheduler(
    name: str,
    label: str,
    rho: float = -1.0,
    inner: bool = False,
    aliases: list[str] | None = None,
) -> dict[str, Any]:
    return {"name": name, "label": label, "aliases": aliases, "default_rho": rho, "need_inner_model": inner}


SCHEDULERS: tuple[dict[str, Any], ...] = (
    _scheduler("automatic", "Automatic"),
    _scheduler("uniform", "Uniform", inner=True),
    _scheduler("karras", "Karras", rho=7.0),
    _scheduler("exponential", "Exponential"),
    _scheduler("polyexponential", "Polyexponential", rho=1.0),
    _scheduler("sgm_uniform", "SGM Uniform", inner=True, aliases=["SGMUniform"]),
    _scheduler("simple", "Simple", inner=True),
    _scheduler("normal", "Normal", inner=True),
)

UPSCALERS = tuple(
    {"name": name, "model_name": None, "model_path": None, "model_url": None, "scale": 4.0}
    for name in ("None", "Lanczos", "Nearest")
)

#: upscalers that the stock webui names and fetches when they are asked for. Offline, and here, each is a
#: plain resize under its own name; they are not listed
WEIGHTLESS_UPSCALERS = (
    "DAT x2",
    "DAT x3",
    "DAT x4",
    "ESRGAN_4x",
    "LDSR",
    "R-ESRGAN 4x+",
    "R-ESRGAN 4x+ Anime6B",
    "ScuNET GAN",
    "ScuNET PSNR",
    "SwinIR 4x",
)

#: upscalers of hires fix that work on latents, and how torch is asked for each
LATENT_UPSCALERS: dict[str, tuple[str, bool]] = {
    "Latent": ("bilinear", False),
    "Latent (antialiased)": ("bilinear", True),
    "Latent (bicubic)": ("bicubic", False),
    "Latent (bicubic antialiased)": ("bicubic", True),
    "Latent (nearest)": ("nearest", False),
    "Latent (nearest-exact)": ("nearest-exact", False),
}

LATENT_UPSCALE_MODES = tuple({"name": name} for name in LATENT_UPSCALERS)

#: always-on scripts of the stock webui whose fields the API sets itself: naming them changes nothing
ALWAYS_ON_SCRIPTS = ("sampler", "seed")

SCRIPTS: dict[str, list[str]] = {"txt2img": list(ALWAYS_ON_SCRIPTS), "img2img": list(ALWAYS_ON_SCRIPTS)}

SCRIPT_INFO: tuple[dict[str, Any], ...] = tuple(
    {"name": name, "is_alwayson": True, "is_img2img": is_img2img, "args": []}
    for is_img2img in (False, True)
    for name in ALWAYS_ON_SCRIPTS
)
