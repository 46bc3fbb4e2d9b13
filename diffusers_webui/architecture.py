"""What a checkpoint is made of: the yaml beside it, or Stable Diffusion 1.x when there is none.

A yaml names Python classes (`target`), and the stock webui instantiates whatever it finds there. Here only
the names below are known; they are compared, never imported.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from diffusers_webui.errors import UnfitCheckpoint

ALLOWED_TARGETS = frozenset(
    {
        "ldm.models.diffusion.ddpm.LatentDiffusion",
        "ldm.modules.diffusionmodules.openaimodel.UNetModel",
        "ldm.models.autoencoder.AutoencoderKL",
        "ldm.modules.encoders.modules.FrozenCLIPEmbedder",
        "ldm.lr_scheduler.LambdaLinearScheduler",
        "torch.nn.Identity",
    }
)

_YAML_LIMIT_BYTES = 100_000

#: v1-inference.yaml of CompVis, the part that shapes the networks
_SD1: dict[str, Any] = {
    "model": {
        "target": "ldm.models.diffusion.ddpm.LatentDiffusion",
        "params": {
            "linear_start": 0.00085,
            "linear_end": 0.0120,
            "timesteps": 1000,
            "scale_factor": 0.18215,
            "unet_config": {
                "params": {
                    "in_channels": 4,
                    "out_channels": 4,
                    "model_channels": 320,
                    "attention_resolutions": [4, 2, 1],
                    "num_res_blocks": 2,
                    "channel_mult": [1, 2, 4, 4],
                    "num_heads": 8,
                    "transformer_depth": 1,
                    "context_dim": 768,
                }
            },
            "first_stage_config": {
                "params": {
                    "embed_dim": 4,
                    "ddconfig": {
                        "z_channels": 4,
                        "resolution": 256,
                        "in_channels": 3,
                        "out_ch": 3,
                        "ch": 128,
                        "ch_mult": [1, 2, 4, 4],
                        "num_res_blocks": 2,
                    },
                }
            },
            "cond_stage_config": {"params": {"version": "openai/clip-vit-large-patch14"}},
        },
    }
}


@dataclass(frozen=True)
class Architecture:
    """How to build the networks of one checkpoint."""

    config: dict[str, Any]  #: in the shape of CompVis's yaml files
    clip_folder: Path | None  #: config.json, vocab.json and merges.txt; None: the Hugging Face cache
    clip_name: str  #: what the yaml calls it

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of the diffusion model."""
        params: dict[str, Any] = self.config["model"]["params"]
        return params


def read_architecture(config: Path | None) -> Architecture:
    """The architecture that a yaml file describes. Raises UnfitCheckpoint for any other."""
    described = _SD1 if config is None else _read_yaml(config)
    try:
        params = described["model"]["params"]
        clip_name = str(
            params["cond_stage_config"].get("params", {}).get("version", "openai/clip-vit-large-patch14")
        )
        (
            params["unet_config"]["params"]["model_channels"],
            params["first_stage_config"]["params"]["ddconfig"]["ch"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UnfitCheckpoint(
            f"{config} describes no latent diffusion model: {error!r} is missing or misplaced"
        ) from error
    params["unet_config"]["params"].setdefault("transformer_depth", 1)
    folder = (config.parent if config else Path.cwd()) / clip_name
    found = next((one for one in (folder, Path.cwd() / clip_name) if one.is_dir()), None)
    return Architecture(described, found, clip_name)


def _read_yaml(config: Path) -> dict[str, Any]:
    if config.stat().st_size > _YAML_LIMIT_BYTES:
        raise UnfitCheckpoint(
            f"{config} is larger than {_YAML_LIMIT_BYTES} bytes: that is no model description"
        )
    try:
        described = yaml.safe_load(config.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UnfitCheckpoint(f"{config} cannot be read as yaml: {error}") from error
    for target in _targets(described):
        if target not in ALLOWED_TARGETS:
            raise UnfitCheckpoint(
                f"{config} names target {target!r}; this server builds only "
                f"{', '.join(sorted(ALLOWED_TARGETS))}"
            )
    if not isinstance(described, dict):
        raise UnfitCheckpoint(f"{config} holds no mapping: that is no model description")
    return described


def _targets(node: Any) -> list[Any]:
    if isinstance(node, dict):
        own = [value for key, value in node.items() if key == "target"]
        return own + [target for value in node.values() for target in _targets(value)]
    if isinstance(node, list):
        return [target for value in node for target in _targets(value)]
    return []
