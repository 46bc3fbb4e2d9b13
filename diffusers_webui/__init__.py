"""A small server that speaks the stock webui's /sdapi/v1 on Hugging Face diffusers.

It stands where AUTOMATIC1111's stable-diffusion-webui v1.10.1 stands: same routes, field names, defaults,
error bodies and silent fallbacks, on models that a laptop or CI can draw with. It imports nothing of this
project's. Start it with `python -m diffusers_webui --ckpt-dir DIR`.
"""

#: What infotexts and `info` call us: the API that we speak, and what draws behind it.
VERSION = "v1.10.1-diffusers"
