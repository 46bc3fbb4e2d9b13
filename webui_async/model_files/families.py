"""What a file's tensors say that it is: checkpoint or LoRA, of which family, in which precision.

Nothing here is certain but what it names: a file that nothing is known of is None, and None blocks nothing.
Sources: the webui's modules/sd_models_config.py and extensions-builtin/Lora, the ControlNet extension's
controlnet_model_guess.py, kohya-ss/sd-scripts' networks/, diffusers' loaders.
"""

from __future__ import annotations

import enum
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from webui_async.model_files.headers import Header, Tensor


class ModelType(enum.StrEnum):
    """What weights are for."""

    CHECKPOINT = "checkpoint"
    LORA = "LoRA"
    CONTROLNET = "ControlNet model"  #: T2I and IP adapters too: the same extension loads them
    VAE = "VAE"
    EMBEDDING = "embedding"
    UPSCALER = "upscaler"


class Family(enum.StrEnum):
    """Checkpoints that LoRAs and ControlNet models can be shared between."""

    SD1 = "SD1"
    SD2 = "SD2"
    SDXL = "SDXL"
    SD3 = "SD3"
    FLUX = "Flux"


@dataclass(frozen=True)
class Recognised:
    """What one file is."""

    type: ModelType | None
    family: Family | None
    precision: str  #: fp32, fp16, bf16, fp8, mixed; empty when it holds no such numbers


#: type -> how the names of some of its tensors begin, and end. The first type that fits is it.
_SIGNS: tuple[tuple[ModelType, tuple[str, ...], tuple[str, ...]], ...] = (
    (
        ModelType.CONTROLNET,
        (
            "control_model.", "controlnet_", "lora_controlnet", "input_hint_block.", "zero_convs.",
            "pos_embed_input.", "lllite_", "adapter.body.", "body.0.in_conv.", "body.0.block1.",
            "style_embedding", "ip_adapter.", "image_proj.",
        ),
        (),
    ),
    (
        ModelType.LORA,
        ("lora_unet_", "lora_te", "lora_transformer_", "lycoris_"),
        (
            ".lora_down.weight", ".lora_A.weight", ".lora_A.default.weight", "lora.down.weight",
            ".lora_linear_layer.down.weight", ".hada_w1_a", ".lokr_w1", ".lokr_w1_a",
            ".oft_blocks", ".oft_diag",
        ),
    ),
    (ModelType.CHECKPOINT, ("model.diffusion_model.", "double_blocks.0.img_attn.", "joint_blocks.0."), ()),
    (ModelType.UPSCALER, ("model.1.sub.", "conv_first."), ()),
    (ModelType.VAE, ("first_stage_model.", "decoder.conv_in.", "encoder.conv_in."), ()),
    (ModelType.EMBEDDING, ("emb_params", "clip_l", "clip_g", "string_to_param", "text_encoders_0"), ()),
)  # fmt: skip

#: Transformers instead of a UNet: a part of a tensor's name -> family. Dots or, in kohya's keys, underscores.
_TRANSFORMER_SIGNS = (
    ("joint_blocks", Family.SD3),
    ("pos_embed_input", Family.SD3),
    ("double_blocks", Family.FLUX),
    ("single_transformer_blocks", Family.FLUX),
    ("controlnet_x_embedder", Family.FLUX),
)
#: How wide diffusers' `transformer_blocks` of a transformer are. SD 3 medium, SD 3.5 large, Flux.
_TRANSFORMER_WIDTHS = {1536: Family.SD3, 2432: Family.SD3, 3072: Family.FLUX}
#: How wide the text is that a UNet's cross-attention reads; 1280 is SDXL's refiner.
_TEXT_WIDTHS = {768: Family.SD1, 1024: Family.SD2, 1280: Family.SDXL, 2048: Family.SDXL}
#: Only SDXL has sizes among its conditions, and a second text encoder where there is no third.
_SDXL_SIGNS = ("lora_te2_", "text_encoder_2.", "label_emb.", "control_model.label_emb.", "add_embedding.")
#: Tensors of one LoRA module that are as wide as what the module reads, in shape[1].
_INPUT_ENDINGS = (
    "lora_down.weight", "lora_A.weight", "lora_A.default.weight", "lora.down.weight",
    "lora_linear_layer.down.weight", ".hada_w1_b", ".diff", ".to_k.weight", ".to_k_ip.weight",
)  # fmt: skip
_FLOATS = {"F64": "fp64", "F32": "fp32", "F16": "fp16", "BF16": "bf16", "F8_E4M3": "fp8", "F8_E5M2": "fp8"}
#: A few numbers of another precision, norms or schedules, do not make a file a mixed one.
_NEARLY_ALL = 0.95


def recognise(header: Header) -> Recognised:
    """What a file is, from its tensors' names and shapes, and from its metadata where those say nothing."""
    model_type = _type_of(header.tensors)
    return Recognised(model_type, _family_of(model_type, header), _precision_of(header.tensors))


def _type_of(tensors: Mapping[str, Tensor]) -> ModelType | None:
    for model_type, starts, ends in _SIGNS:
        if any(name.startswith(starts) or (ends and name.endswith(ends)) for name in tensors):
            return model_type
    shapes = [tensor.shape for tensor in tensors.values()]
    is_vectors = len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][1] in _TEXT_WIDTHS
    return ModelType.EMBEDDING if is_vectors else None


def _family_of(model_type: ModelType | None, header: Header) -> Family | None:
    if model_type is ModelType.EMBEDDING:
        return _family_of_embedding(header.tensors)
    if model_type not in (ModelType.CHECKPOINT, ModelType.LORA, ModelType.CONTROLNET):
        return None
    names = "\n".join(header.tensors)
    for sign, family in _TRANSFORMER_SIGNS:
        if sign in names:
            return family
    width = next(_transformer_widths(header.tensors), None)
    if width is not None:
        return _TRANSFORMER_WIDTHS.get(width)
    width = next(_text_widths(header.tensors), None)
    if width is not None:
        return _TEXT_WIDTHS.get(width)
    has_third_encoder = any(name.startswith("lora_te3_") for name in header.tensors)
    if not has_third_encoder and any(name.startswith(_SDXL_SIGNS) for name in header.tensors):
        return Family.SDXL
    width = next(_text_encoder_widths(header.tensors), None)
    return _TEXT_WIDTHS.get(width) if width is not None else _family_in(header.metadata)


def _family_of_embedding(tensors: Mapping[str, Tensor]) -> Family | None:
    if "clip_g" in tensors or "text_encoders_1" in tensors:
        return Family.SDXL
    widths = {tensor.shape[-1] for tensor in tensors.values() if tensor.shape}
    return _TEXT_WIDTHS.get(widths.pop()) if len(widths) == 1 else None


def _transformer_widths(tensors: Mapping[str, Tensor]) -> Iterator[int]:
    """How wide diffusers' transformers are that the weights are for: their keys begin with `transformer`."""
    for name, tensor in tensors.items():
        is_block = name.startswith(("transformer.transformer_blocks", "lora_transformer_transformer_blocks"))
        if is_block and "to_k" in name and name.endswith(_INPUT_ENDINGS):
            yield from tensor.shape[1:2]


def _text_widths(tensors: Mapping[str, Tensor]) -> Iterator[int]:
    """How wide the text is that each cross-attention reads."""
    for name, tensor in tensors.items():
        if ("attn2" in name and "to_k" in name) or name.endswith(".to_k_ip.weight"):
            yield from _input_width(name, tensor, tensors)


def _text_encoder_widths(tensors: Mapping[str, Tensor]) -> Iterator[int]:
    """How wide the text encoder is that a LoRA of nothing else was trained on."""
    for name, tensor in tensors.items():
        if name.startswith(("lora_te_", "text_encoder.")) and "k_proj" in name:
            yield from _input_width(name, tensor, tensors)


def _input_width(name: str, tensor: Tensor, tensors: Mapping[str, Tensor]) -> Iterator[int]:
    """How many numbers the module of this tensor reads; nothing when the tensor does not tell."""
    if name.endswith(_INPUT_ENDINGS):
        yield from tensor.shape[1:2]
    elif name.endswith((".lokr_w2", ".lokr_w2_b")):  # a Kronecker product: both factors' widths multiplied
        module = name.rpartition(".")[0]
        other = tensors.get(f"{module}.lokr_w1") or tensors.get(f"{module}.lokr_w1_b")
        if other is not None and len(other.shape) > 1 and len(tensor.shape) > 1:
            yield other.shape[1] * tensor.shape[1]


def _family_in(metadata: Mapping[str, str]) -> Family | None:
    """The family that a trainer noted. Some say SD 1 for want of better, so shapes come first."""
    noted = (
        f"{metadata.get('ss_base_model_version', '')} {metadata.get('modelspec.architecture', '')}".lower()
    )
    signs = (
        (("sdxl", "stable-diffusion-xl"), Family.SDXL),
        (("flux",), Family.FLUX),
        (("sd3", "stable-diffusion-3"), Family.SD3),
        (("sd_v2", "stable-diffusion-v2"), Family.SD2),
        (("sd_v1", "sd_1", "stable-diffusion-v1"), Family.SD1),
    )
    return next((family for words, family in signs if any(word in noted for word in words)), None)


def _precision_of(tensors: Mapping[str, Tensor]) -> str:
    known = {tensor.dtype for tensor in tensors.values()} & _FLOATS.keys()
    if len(known) == 1:
        return _FLOATS[known.pop()]
    sizes: Counter[str] = Counter()
    for tensor in tensors.values():
        if tensor.dtype in _FLOATS:
            sizes[_FLOATS[tensor.dtype]] += math.prod(tensor.shape)
    if not sizes:
        return ""
    name, most = sizes.most_common(1)[0]
    return name if most >= _NEARLY_ALL * sizes.total() else "mixed"
