"""The text networks of an original-format checkpoint, built from their weights alone.

Stable Diffusion 1 has OpenAI's CLIP, 2 has OpenCLIP, XL both. Both are the same network, only their
weights are named differently.
"""

from pathlib import Path
from typing import Any

import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from diffusers_webui.detection import CLIP_1, CLIP_XL, OPEN_CLIP_2, OPEN_CLIP_XL, count, is_xl
from diffusers_webui.text import TextEncoder
from diffusers_webui.weights import Weights

#: of CLIP's vocabulary, which all of them use
_BEGIN, _END = 49406, 49407
#: OpenCLIP fills up with the first token there is, CLIP with the end token
_OPEN_CLIP_PAD = 0
_HEAD_WIDTH = 64

_OPEN_CLIP_NAMES = (
    ("transformer.resblocks.", "encoder.layers."),
    ("token_embedding.", "embeddings.token_embedding."),
    ("positional_embedding", "embeddings.position_embedding.weight"),
    ("ln_final.", "final_layer_norm."),
    (".ln_1.", ".layer_norm1."),
    (".ln_2.", ".layer_norm2."),
    (".mlp.c_fc.", ".mlp.fc1."),
    (".mlp.c_proj.", ".mlp.fc2."),
    (".attn.out_proj.", ".self_attn.out_proj."),
)


def build_text_encoders(weights: Weights, described: Path | None) -> list[TextEncoder]:
    """The encoders in the order in which the UNet hears them.

    described: folder with the config.json of Stable Diffusion 1's encoder, where a yaml names one.
    """
    if is_xl(weights):
        clip, open_clip = _clip_weights(weights, CLIP_XL), _open_clip_weights(weights, OPEN_CLIP_XL)
        return [
            TextEncoder(_build(clip, "quick_gelu"), "te1", _END, layer=-2, is_normed=False),
            TextEncoder(
                _build(open_clip, "gelu"), "te2", _OPEN_CLIP_PAD, layer=-2, is_normed=False, is_pooled=True
            ),
        ]
    if any(key.startswith(OPEN_CLIP_2) for key in weights):
        open_clip = _open_clip_weights(weights, OPEN_CLIP_2)
        open_clip.pop("text_projection.weight", None)
        return [TextEncoder(_build(open_clip, "gelu"), "te", _OPEN_CLIP_PAD, layer=-2)]
    network = _build(_clip_weights(weights, CLIP_1), "quick_gelu", described)
    return [TextEncoder(network, "te", _END, obeys_clip_skip=True)]


def _build(named: Weights, activation: str, described: Path | None = None) -> Any:
    """A network with these weights. It gives the pooled vector too when there is a projection among them."""
    config = (
        CLIPTextConfig.from_pretrained(described, local_files_only=True)
        if described
        else _derived_config(named, activation)
    )
    network: Any
    with torch.device("meta"):  # no time is lost on first weights
        if "text_projection.weight" in named:
            network = CLIPTextModelWithProjection(config)
        else:
            network = CLIPTextModel(config)
    inner = getattr(network, "text_model", network)
    projection = named.pop("text_projection.weight", None)
    if projection is not None:
        network.text_projection.weight = torch.nn.Parameter(projection)
    # transformers 4 wraps the network in text_model, transformers 5 does not
    inner.load_state_dict(named, assign=True)
    # the one buffer that no file holds
    inner.embeddings.position_ids = torch.arange(config.max_position_embeddings)[None]
    return network


def _derived_config(named: Weights, activation: str) -> CLIPTextConfig:
    tokens, width = named["embeddings.token_embedding.weight"].shape
    projection = named.get("text_projection.weight")
    return CLIPTextConfig(
        vocab_size=tokens,
        hidden_size=width,
        intermediate_size=named["encoder.layers.0.mlp.fc1.weight"].shape[0],
        projection_dim=width if projection is None else projection.shape[0],
        num_hidden_layers=count(named, "encoder.layers.", "layer_norm1.weight"),
        num_attention_heads=max(width // _HEAD_WIDTH, 1),
        max_position_embeddings=named["embeddings.position_embedding.weight"].shape[0],
        hidden_act=activation,
        bos_token_id=_BEGIN,
        eos_token_id=_END,
    )


def _clip_weights(weights: Weights, stem: str) -> Weights:
    named = {
        key.removeprefix(stem).removeprefix("text_model."): value
        for key, value in weights.items()
        if key.startswith(stem)
    }
    named.pop("embeddings.position_ids", None)
    return named


def _open_clip_weights(weights: Weights, stem: str) -> Weights:
    """OpenCLIP's weights under CLIP's names: attention in three parts, the projection turned over."""
    named: Weights = {}
    for key, value in weights.items():
        if not key.startswith(stem) or key.endswith(("logit_scale", "attn_mask")):
            continue
        name = key.removeprefix(stem)
        for old, new in _OPEN_CLIP_NAMES:
            name = name.replace(old, new)
        layer, is_joined, kind = name.partition(".attn.in_proj_")
        if is_joined:
            for part, third in zip("qkv", value.chunk(3), strict=True):
                named[f"{layer}.self_attn.{part}_proj.{kind}"] = third
        elif name == "text_projection":
            named["text_projection.weight"] = value.T.contiguous()
        else:
            named[name] = value
    return named
