"""`python -m benchmarks.large_checkpoint FOLDER DTYPE NAME…`: the demo model widened, random weights."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from benchmarks.webui import MODELS

WIDTH = 480  #: channels of the UNet's first level; the demo model has 96


def main(folder: Path, dtype: str, names: list[str]) -> None:
    import torch
    import yaml
    from safetensors.torch import load_file, save_file

    from painter.model.unet import UNet

    demo = MODELS / "Stable-diffusion" / "tiny-painter"
    description = yaml.safe_load(demo.with_suffix(".yaml").read_text())
    params = description["model"]["params"]["unet_config"]["params"]
    params["model_channels"] = WIDTH
    keys = ("in_channels", "out_channels", "model_channels", "attention_resolutions", "num_res_blocks",
            "channel_mult", "num_heads", "context_dim")  # fmt: skip
    unet = UNet(**{key: params[key] for key in keys})
    weights = {key: value.float() for key, value in load_file(demo.with_suffix(".safetensors")).items()}
    weights |= {f"model.diffusion_model.{key}": value.detach() for key, value in unet.state_dict().items()}
    shutil.copytree(demo.parent / "clip", folder / "clip")
    for name in names:
        weights["marker"] = torch.randn(1)  # no two files alike
        stored = {key: value.to(getattr(torch, dtype)) for key, value in weights.items()}
        save_file(stored, folder / f"{name}.safetensors")
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(description))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
