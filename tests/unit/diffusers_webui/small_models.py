"""Small random Stable Diffusion 1, 2 and XL, written as the original files name their weights."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from diffusers_webui.original_names import original_names

_VAE_NAMES = (
    (r"(\w+)\.down_blocks\.(\d)\.resnets\.(\d)", r"\1.down.\2.block.\3"),
    (r"(\w+)\.down_blocks\.(\d)\.downsamplers\.0", r"\1.down.\2.downsample"),
    (r"(\w+)\.up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"{m[1]}.up.{3 - int(m[2])}.block.{m[3]}"),
    (r"(\w+)\.up_blocks\.(\d)\.upsamplers\.0", lambda m: f"{m[1]}.up.{3 - int(m[2])}.upsample"),
    (r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}"),
    (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
    (r"mid_block\.attentions\.0\.to_out\.0", "mid.attn_1.proj_out"),
    (r"mid_block\.attentions\.0\.to_([qkv])", r"mid.attn_1.\1"),
    (r"conv_norm_out", "norm_out"),
    (r"conv_shortcut", "nin_shortcut"),
)
_OPEN_CLIP_NAMES = (
    (r"^encoder\.layers\.", "transformer.resblocks."),
    (r"^embeddings\.token_embedding", "token_embedding"),
    (r"^embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"^final_layer_norm", "ln_final"),
    (r"layer_norm(\d)", r"ln_\1"),
    (r"mlp\.fc1", "mlp.c_fc"),
    (r"mlp\.fc2", "mlp.c_proj"),
    (r"self_attn\.out_proj", "attn.out_proj"),
)


@dataclass
class SmallModel:
    """Networks as diffusers names their parts."""

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    texts: list[Any]

    def original(self) -> dict[str, torch.Tensor]:
        """Their weights as one original-format file holds them."""
        names = original_names(self.unet)
        weights = {}
        for key, value in self.unet.state_dict().items():
            module, _, kind = key.rpartition(".")
            weights[f"model.diffusion_model.{names[module]}.{kind}"] = value
        for key, value in self.vae.state_dict().items():
            is_attention = ".attentions." in key and value.ndim == 2
            weights[f"first_stage_model.{renamed(key, _VAE_NAMES)}"] = (
                value[:, :, None, None] if is_attention else value
            )
        stems = ["conditioner.embedders.0.", "conditioner.embedders.1."]
        for stem, text in zip(
            stems if len(self.texts) > 1 else ["cond_stage_model."], self.texts, strict=True
        ):
            weights |= {f"{stem}{key}": value for key, value in original_text(text).items()}
        return {key: value.contiguous().clone() for key, value in weights.items()}


def original_text(text: Any) -> dict[str, torch.Tensor]:
    state = {key.removeprefix("text_model."): value for key, value in text.state_dict().items()}
    if text.config.hidden_act == "quick_gelu":
        return {f"transformer.text_model.{key}": value for key, value in state.items()}
    named = {"model.logit_scale": torch.ones(())}
    for key, value in state.items():
        if key == "text_projection.weight":
            named["model.text_projection"] = value.T
        elif found := re.search(r"self_attn\.q_proj\.(\w+)$", key):
            three = [state[key.replace("q_proj", f"{part}_proj")] for part in "qkv"]
            layer = renamed(key[: found.start()], _OPEN_CLIP_NAMES)
            named[f"model.{layer}attn.in_proj_{found[1]}"] = torch.cat(three)
        elif not re.search(r"self_attn\.[kv]_proj", key):
            named[f"model.{renamed(key, _OPEN_CLIP_NAMES)}"] = value
    return named


def renamed(key: str, names: tuple[tuple[str, Any], ...]) -> str:
    for old, new in names:
        key = re.sub(old, new, key)
    return key


def sd1() -> SmallModel:
    torch.manual_seed(1)
    return SmallModel(unet(32, heads=8, cross=64), vae(), [text("quick_gelu", 64)])


def sd2() -> SmallModel:
    torch.manual_seed(2)
    return SmallModel(unet(64, heads=(1, 2), cross=64, linear=True), vae(), [text("gelu", 64)])


def sdxl() -> SmallModel:
    torch.manual_seed(3)
    texts = [text("quick_gelu", 64), text("gelu", 128, projected=True)]
    xl = {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 32,
        "projection_class_embeddings_input_dim": 128 + 6 * 32,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (2, 2),
    }
    return SmallModel(unet(64, heads=(1, 2), cross=192, linear=True, **xl), vae(), texts)


def unet(channels: int, heads: Any, cross: int, linear: bool = False, **others: Any) -> UNet2DConditionModel:
    config = {
        "block_out_channels": (channels, 2 * channels),
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        "layers_per_block": 1,
        "attention_head_dim": heads,
        "cross_attention_dim": cross,
        "use_linear_projection": linear,
    }
    return UNet2DConditionModel(**(config | others))


def vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(32, 32, 32, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
    )


def text(activation: str, width: int, projected: bool = False) -> Any:
    config = CLIPTextConfig(
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=3,
        num_attention_heads=width // 64,
        projection_dim=width,
        hidden_act=activation,
        bos_token_id=49406,
        eos_token_id=49407,
    )
    network = CLIPTextModelWithProjection(config) if projected else CLIPTextModel(config)
    for name, parameter in network.named_parameters():
        if "norm" in name:  # of a mean that is nothing, attention weights would make NaN
            torch.nn.init.normal_(parameter, mean=1.0 if name.endswith("weight") else 0.1, std=0.1)
    return network.eval()
