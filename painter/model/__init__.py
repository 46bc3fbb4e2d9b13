"""A small Stable Diffusion 1.x in plain torch, its keys those of the original (LDM) single-file format.

    unet.UNet -> model.diffusion_model.*     vae.AutoencoderKL -> first_stage_model.*
    text.TextModel -> cond_stage_model.transformer.*

Sizes are in config.py, which needs no torch.
"""
