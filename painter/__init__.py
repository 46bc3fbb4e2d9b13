"""The painter: pictures with captions drawn by rule, the tiny diffusion model trained on them, and a scorer.

A folder of tools beside the library: nothing of webui_async, serve or diffusers_webui is imported here, and
importing `painter` itself loads nothing. README.md says what the model is and how it was trained.
"""
