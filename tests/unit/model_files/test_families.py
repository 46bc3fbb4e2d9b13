from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.model_files.weights import (
    SD1,
    SD1_CONTROLNET,
    SD1_LORA,
    SDXL,
    SDXL_LORA,
    Shapes,
    write_weights,
)
from webui_async.model_files.families import Family, ModelType, Recognised, recognise
from webui_async.model_files.headers import Header, Tensor, read_header

MODELS = Path(__file__).resolve().parents[3] / "model_layout"
CHECKPOINT, LORA, CONTROLNET = ModelType.CHECKPOINT, ModelType.LORA, ModelType.CONTROLNET
KOHYA = "lora_unet_output_blocks_4_1_transformer_blocks_0_attn2_to_k"
TEXT = "lora_te_text_model_encoder_layers_0_self_attn_k_proj"
UNET = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2"


def found(shapes: Shapes, **metadata: str) -> Recognised:
    tensors = {name: Tensor("F16", tuple(shape)) for name, shape in shapes.items()}
    return recognise(Header(tensors, metadata, 0))


@pytest.mark.parametrize(
    ("shapes", "model_type", "family"),
    [
        (SD1, CHECKPOINT, Family.SD1),
        ({"model.diffusion_model.a.attn2.to_k.weight": (320, 1024)}, CHECKPOINT, Family.SD2),
        (SDXL, CHECKPOINT, Family.SDXL),
        ({"model.diffusion_model.a.attn2.to_k.weight": (768, 1280)}, CHECKPOINT, Family.SDXL),
        ({"model.diffusion_model.a.attn2.to_k.weight": (96, 64)}, CHECKPOINT, None),
        ({"model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight": (9, 3)}, CHECKPOINT, Family.SD3),
        ({"model.diffusion_model.double_blocks.0.img_attn.qkv.weight": (9, 3)}, CHECKPOINT, Family.FLUX),
        ({"double_blocks.0.img_attn.proj.weight": (3072, 3072)}, CHECKPOINT, Family.FLUX),
        # kohya's keys, and what LyCORIS adds to them
        (SD1_LORA, LORA, Family.SD1),
        (SDXL_LORA, LORA, Family.SDXL),
        ({f"{KOHYA}.lora_down.weight": (4, 1024)}, LORA, Family.SD2),
        ({f"{KOHYA}.lora_down.weight": (4, 64)}, LORA, None),
        ({f"{KOHYA}.hada_w1_a": (640, 4), f"{KOHYA}.hada_w1_b": (4, 2048)}, LORA, Family.SDXL),
        ({f"{KOHYA}.lokr_w1": (8, 8), f"{KOHYA}.lokr_w2": (40, 96)}, LORA, Family.SD1),
        ({f"{KOHYA}.lokr_w1_b": (4, 16), f"{KOHYA}.lokr_w2_b": (4, 128)}, LORA, Family.SDXL),
        ({f"{KOHYA}.diff": (320, 768)}, LORA, Family.SD1),
        ({f"{KOHYA}.oft_blocks": (4, 8, 8)}, LORA, None),
        ({f"{TEXT}.lora_down.weight": (4, 768)}, LORA, Family.SD1),
        ({f"{TEXT}.lora_down.weight": (4, 1024)}, LORA, Family.SD2),
        ({TEXT.replace("te_", "te2_") + ".lora_down.weight": (4, 1280)}, LORA, Family.SDXL),
        ({TEXT.replace("te_", "te1_") + ".lora_down.weight": (4, 768)}, LORA, None),
        ({f"lora_te{i}_{TEXT[8:]}.lora_down.weight": (4, 1280) for i in (2, 3)}, LORA, None),
        ({"lora_unet_double_blocks_0_img_attn_proj.lora_down.weight": (4, 3072)}, LORA, Family.FLUX),
        ({"lora_unet_joint_blocks_0_x_block_attn_proj.lora_down.weight": (4, 1536)}, LORA, Family.SD3),
        # diffusers' and peft's
        ({f"{UNET}.to_k.lora_A.weight": (4, 768)}, LORA, Family.SD1),
        ({f"{UNET}.to_k.lora.down.weight": (4, 2048)}, LORA, Family.SDXL),
        ({f"{UNET}.processor.to_k_lora.down.weight": (4, 1024)}, LORA, Family.SD2),
        ({"transformer.single_transformer_blocks.0.attn.to_k.lora_A.weight": (4, 9)}, LORA, Family.FLUX),
        ({"transformer.transformer_blocks.0.attn.to_k.lora_A.weight": (4, 3072)}, LORA, Family.FLUX),
        ({"transformer.transformer_blocks.0.attn.to_k.lora_A.weight": (4, 1536)}, LORA, Family.SD3),
        ({"transformer.transformer_blocks.0.attn2.to_k.lora_A.weight": (4, 1152)}, LORA, None),
        (SD1_CONTROLNET, CONTROLNET, Family.SD1),
        (
            {
                "controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3),
                "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": (640, 2048),
            },
            CONTROLNET,
            Family.SDXL,
        ),
        (
            {"control_model.zero_convs.0.0.weight": (1,), "control_model.label_emb.0.0.weight": (1, 1)},
            CONTROLNET,
            Family.SDXL,
        ),
        (
            {"ip_adapter.1.to_k_ip.weight": (320, 768), "image_proj.proj.weight": (9, 9)},
            CONTROLNET,
            Family.SD1,
        ),
        ({"controlnet_x_embedder.weight": (3072, 64)}, CONTROLNET, Family.FLUX),
        ({"lora_controlnet": (), "input_blocks.1.0.up": (320, 4)}, CONTROLNET, None),
        ({"body.0.in_conv.weight": (320, 192)}, CONTROLNET, None),
        ({"decoder.conv_in.weight": (512, 4, 3, 3)}, ModelType.VAE, None),
        ({"first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3)}, ModelType.VAE, None),
        ({"emb_params": (3, 768)}, ModelType.EMBEDDING, Family.SD1),
        ({"clip_l": (3, 768), "clip_g": (3, 1280)}, ModelType.EMBEDDING, Family.SDXL),
        ({"<ink>": (3, 1024)}, ModelType.EMBEDDING, Family.SD2),
        ({"emb_params": (3, 64)}, ModelType.EMBEDDING, None),
        ({"model.0.weight": (64, 3, 3, 3), "model.1.sub.0.weight": (64,)}, ModelType.UPSCALER, None),
        ({"conv_first.weight": (64, 3, 3, 3)}, ModelType.UPSCALER, None),
        ({"something.weight": (3, 3)}, None, None),
        ({}, None, None),
    ],
)
def test_tensors_tell_what_a_file_is(
    shapes: Shapes, model_type: ModelType | None, family: Family | None
) -> None:
    assert (found(shapes).type, found(shapes).family) == (model_type, family)


@pytest.mark.parametrize(
    ("noted", "family"),
    [
        ({"ss_base_model_version": "sdxl_base_v1-0"}, Family.SDXL),
        ({"ss_base_model_version": "sd_v2_v"}, Family.SD2),
        ({"ss_base_model_version": "sd_v1"}, Family.SD1),
        ({"modelspec.architecture": "flux-1-dev/lora"}, Family.FLUX),
        ({"modelspec.architecture": "stable-diffusion-3-medium/lora"}, Family.SD3),
        ({"ss_base_model_version": "other"}, None),
    ],
)
def test_metadata_tells_the_family_where_no_shape_does(noted: dict[str, str], family: Family | None) -> None:
    assert found({f"{KOHYA}.oft_blocks": (4, 8, 8)}, **noted).family is family


def test_shapes_go_before_metadata() -> None:
    """kohya notes sd_v1 for every architecture that it does not know."""
    assert found({f"{KOHYA}.lora_down.weight": (4, 64)}, ss_base_model_version="sd_v1").family is None


def test_the_demo_model_is_a_checkpoint_and_a_lora_of_no_known_family() -> None:
    checkpoint = recognise(read_header(MODELS / "Stable-diffusion" / "tiny-painter.safetensors"))
    lora = recognise(read_header(MODELS / "Lora" / "blueprint.safetensors"))
    assert checkpoint == Recognised(CHECKPOINT, None, "fp16")
    assert lora == Recognised(LORA, None, "fp16")


@pytest.mark.parametrize(
    ("dtypes", "precision"),
    [
        (("F16", "F16"), "fp16"),
        (("BF16",), "bf16"),
        (("F32", "I64"), "fp32"),
        (("F8_E4M3", "F8_E5M2"), "fp8"),
        (("F16", "F32"), "mixed"),
        (("I64",), ""),
    ],
)
def test_precision_is_that_of_nearly_all_numbers(dtypes: tuple[str, ...], precision: str) -> None:
    tensors = {f"{number}": Tensor(dtype, (10, 10)) for number, dtype in enumerate(dtypes)}
    assert recognise(Header(tensors, {}, 0)).precision == precision
    few = {"alphas": Tensor("F64", (1,))}
    assert recognise(Header(tensors | few, {}, 0)).precision == (precision or "fp64")


def test_a_file_as_it_is_on_disk_is_recognised(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "a.safetensors", SDXL_LORA, "BF16")
    assert recognise(read_header(path)) == Recognised(LORA, Family.SDXL, "bf16")
