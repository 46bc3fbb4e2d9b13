"""Writes what belongs beside a checkpoint: the yaml, the clip/ folder, and configs in diffusers' layout.

    python -m painter.package out/tiny_final.safetensors FOLDER [--name tiny-painter] [--diffusers]

FOLDER then holds NAME.safetensors, NAME.yaml and clip/ as in model_layout/Stable-diffusion, and with
--diffusers the folder diffusers-config/, which from_single_file(config=...) takes instead of the network.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from painter.bpe import END, START, VOCABULARY_SIZE, write_tokenizer
from painter.model.config import BETA_END, BETA_START, LATENT_SCALE, NOISE_STEPS, TEXT, UNET, VAE

YAML = """\
# Sibling of {name}.safetensors: the stock webui reads it by its name, diffusers as original_config=.
model:
  base_learning_rate: 1.0e-04
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    linear_start: 0.00085
    linear_end: 0.0120
    num_timesteps_cond: 1
    log_every_t: 200
    timesteps: 1000
    first_stage_key: "jpg"
    cond_stage_key: "txt"
    image_size: 64
    channels: 4
    cond_stage_trainable: false
    conditioning_key: crossattn
    monitor: val/loss_simple_ema
    scale_factor: 0.18215
    use_ema: false

    unet_config:
      target: ldm.modules.diffusionmodules.openaimodel.UNetModel
      params:
        image_size: 32
        in_channels: 4
        out_channels: 4
        model_channels: {model_channels}
        attention_resolutions: {attention_resolutions}
        num_res_blocks: {num_res_blocks}
        channel_mult: {channel_mult}
        num_heads: {num_heads}
        use_spatial_transformer: true
        transformer_depth: 1
        context_dim: {context_dim}
        use_checkpoint: false
        legacy: false

    first_stage_config:
      target: ldm.models.autoencoder.AutoencoderKL
      params:
        embed_dim: 4
        monitor: val/rec_loss
        ddconfig:
          double_z: true
          z_channels: 4
          resolution: 256
          in_channels: 3
          out_ch: 3
          ch: {ch}
          ch_mult: {ch_mult}
          num_res_blocks: {vae_res_blocks}
          attn_resolutions: []
          dropout: 0.0
        lossconfig:
          target: torch.nn.Identity

    cond_stage_config:
      target: ldm.modules.encoders.modules.FrozenCLIPEmbedder
      params:
        # the folder clip/ beside this file. The stock webui looks for it from its own working directory,
        # so whoever starts the webui makes this an absolute path (in a copy) or starts it from here.
        version: {version}
"""


def yaml_text(name: str, version: str = "clip") -> str:
    """The yaml of a checkpoint; `version` is the folder of the text encoder's config and vocabulary."""
    sizes = {key: UNET[key] for key in UNET if key not in ("in_channels", "out_channels")}
    vae = {"ch": VAE["ch"], "ch_mult": VAE["ch_mult"], "vae_res_blocks": VAE["num_res_blocks"]}
    return YAML.format(name=name, version=version, **sizes, **vae)


def write_clip_folder(folder: Path) -> None:
    """config.json and the tokenizer, as `version:` in the yaml wants them."""
    write_tokenizer(folder)
    _write_json(folder / "config.json", text_config())


def write_diffusers_config(folder: Path) -> None:
    """Configs in diffusers' layout, without weights."""
    _write_json(folder / "model_index.json", MODEL_INDEX)
    _write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    _write_json(folder / "unet" / "config.json", unet_config())
    _write_json(folder / "vae" / "config.json", vae_config())
    _write_json(folder / "text_encoder" / "config.json", text_config())
    write_tokenizer(folder / "tokenizer")


def text_config() -> dict[str, Any]:
    """The text encoder as transformers describes it."""
    return {
        "architectures": ["CLIPTextModel"],
        "attention_dropout": 0.0,
        "bos_token_id": START,
        "eos_token_id": END,
        "pad_token_id": END,
        "dropout": 0.0,
        "hidden_act": "quick_gelu",
        "hidden_size": TEXT["width"],
        "initializer_factor": 1.0,
        "initializer_range": 0.02,
        "intermediate_size": TEXT["mlp"],
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": TEXT["ctx"],
        "model_type": "clip_text_model",
        "num_attention_heads": TEXT["heads"],
        "num_hidden_layers": TEXT["layers"],
        "projection_dim": TEXT["width"],
        "vocab_size": VOCABULARY_SIZE,
    }


def unet_config() -> dict[str, Any]:
    """The UNet as diffusers describes it."""
    levels = UNET["channel_mult"]
    attends = [2**level in UNET["attention_resolutions"] for level in range(len(levels))]
    return {
        "_class_name": "UNet2DConditionModel",
        "act_fn": "silu",
        "attention_head_dim": UNET["num_heads"],
        "block_out_channels": [UNET["model_channels"] * mult for mult in levels],
        "center_input_sample": False,
        "cross_attention_dim": UNET["context_dim"],
        "down_block_types": ["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends],
        "downsample_padding": 1,
        "flip_sin_to_cos": True,
        "freq_shift": 0,
        "in_channels": UNET["in_channels"],
        "layers_per_block": UNET["num_res_blocks"],
        "mid_block_scale_factor": 1,
        "norm_eps": 1e-5,
        "norm_num_groups": 32,
        "out_channels": UNET["out_channels"],
        "sample_size": 64,
        "up_block_types": ["CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)],
    }


def vae_config() -> dict[str, Any]:
    """The VAE as diffusers describes it."""
    levels = VAE["ch_mult"]
    return {
        "_class_name": "AutoencoderKL",
        "act_fn": "silu",
        "block_out_channels": [VAE["ch"] * mult for mult in levels],
        "down_block_types": ["DownEncoderBlock2D"] * len(levels),
        "up_block_types": ["UpDecoderBlock2D"] * len(levels),
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": VAE["z_channels"],
        "layers_per_block": VAE["num_res_blocks"],
        "norm_num_groups": 32,
        "sample_size": 512,
        "scaling_factor": LATENT_SCALE,
    }


MODEL_INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.30.0",
    "feature_extractor": [None, None],
    "safety_checker": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "scheduler": ["diffusers", "EulerAncestralDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
SCHEDULER = {
    "_class_name": "EulerAncestralDiscreteScheduler",
    "beta_start": BETA_START,
    "beta_end": BETA_END,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": NOISE_STEPS,
    "prediction_type": "epsilon",
    "steps_offset": 1,
    "timestep_spacing": "leading",
}


def _write_json(file: Path, value: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value, indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m painter.package", description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path, help="what python -m painter.train wrote")
    parser.add_argument("folder", type=Path, help="where to write, made if absent")
    parser.add_argument(
        "--name", default="tiny-painter", help="file name of checkpoint and yaml, without ending"
    )
    parser.add_argument("--diffusers", action="store_true", help="write diffusers-config/ as well")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(options.checkpoint, options.folder / f"{options.name}.safetensors")
    (options.folder / f"{options.name}.yaml").write_text(yaml_text(options.name))
    write_clip_folder(options.folder / "clip")
    if options.diffusers:
        write_diffusers_config(options.folder / "diffusers-config")


if __name__ == "__main__":
    main()
