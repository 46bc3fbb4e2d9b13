"""What the modules of a diffusers UNet are called in original-format checkpoints.

Kohya's trainer names the UNet parts of its LoRA by diffusers' names for Stable Diffusion 1 and 2, and by
the original ones for XL.
"""

from typing import Any

_FIXED = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}

_IN_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


def original_names(unet: Any) -> dict[str, str]:
    """The original name of every module with weights, by its diffusers name."""
    stems = _stems(unet)
    names: dict[str, str] = {}
    for module, _ in unet.named_modules():
        stem = next((stem for stem in stems if module == stem or module.startswith(f"{stem}.")), None)
        if stem is not None:
            inside = module[len(stem) + 1 :]
            names[module] = ".".join(part for part in (stems[stem], _IN_RESNET.get(inside, inside)) if part)
    return names


def _stems(unet: Any) -> dict[str, str]:
    """Blocks are counted through from the first level to the last, resizing ones too."""
    stems, number = dict(_FIXED), 0
    for i, block in enumerate(unet.down_blocks):
        for j in range(len(block.resnets)):
            number += 1
            stems |= _layer(f"down_blocks.{i}", j, f"input_blocks.{number}")
        if block.downsamplers:
            number += 1
            stems[f"down_blocks.{i}.downsamplers.0.conv"] = f"input_blocks.{number}.0.op"
    number = -1
    for i, block in enumerate(unet.up_blocks):
        for j in range(len(block.resnets)):
            number += 1
            stems |= _layer(f"up_blocks.{i}", j, f"output_blocks.{number}")
        if block.upsamplers:
            place = 2 if hasattr(block, "attentions") else 1
            stems[f"up_blocks.{i}.upsamplers.0.conv"] = f"output_blocks.{number}.{place}.conv"
    return stems


def _layer(block: str, j: int, original: str) -> dict[str, str]:
    return {f"{block}.resnets.{j}": f"{original}.0", f"{block}.attentions.{j}": f"{original}.1"}
