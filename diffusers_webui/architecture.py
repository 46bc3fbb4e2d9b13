"""What a checkpoint is made of: the yaml beside it, or what its weights show when there is none.

A yaml names Python classes (`target`), and the stock webui instantiates whatever it finds there. Here only
the names below are known; they are compared, never imported.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from diffusers_webui.detection import Shapes, derived_config
from diffusers_webui.errors import UnfitCheckpoint

ALLOWED_TARGETS = frozenset(
    {
        # Stable Diffusion 1 and 2
        "ldm.lr_scheduler.LambdaLinearScheduler",
        "ldm.models.autoencoder.AutoencoderKL",
        "ldm.models.diffusion.ddpm.LatentDiffusion",
        "ldm.modules.diffusionmodules.openaimodel.UNetModel",
        "ldm.modules.encoders.modules.FrozenCLIPEmbedder",
        "ldm.modules.encoders.modules.FrozenOpenCLIPEmbedder",
        # Stable Diffusion XL
        "sgm.models.autoencoder.AutoencoderKL",
        "sgm.models.autoencoder.AutoencoderKLInferenceWrapper",
        "sgm.models.diffusion.DiffusionEngine",
        "sgm.modules.GeneralConditioner",
        "sgm.modules.diffusionmodules.denoiser.DiscreteDenoiser",
        "sgm.modules.diffusionmodules.denoiser_scaling.EpsScaling",
        "sgm.modules.diffusionmodules.denoiser_scaling.VScaling",
        "sgm.modules.diffusionmodules.denoiser_weighting.EpsWeighting",
        "sgm.modules.diffusionmodules.denoiser_weighting.VWeighting",
        "sgm.modules.diffusionmodules.discretizer.LegacyDDPMDiscretization",
        "sgm.modules.diffusionmodules.guiders.VanillaCFG",
        "sgm.modules.diffusionmodules.openaimodel.UNetModel",
        "sgm.modules.diffusionmodules.sampling.EulerEDMSampler",
        "sgm.modules.encoders.modules.ConcatTimestepEmbedderND",
        "sgm.modules.encoders.modules.FrozenCLIPEmbedder",
        "sgm.modules.encoders.modules.FrozenOpenCLIPEmbedder2",
        "torch.nn.Identity",
    }
)

DEFAULT_CLIP = "openai/clip-vit-large-patch14"

_YAML_LIMIT_BYTES = 100_000


@dataclass(frozen=True)
class Architecture:
    """How to build the networks of one checkpoint."""

    config: dict[str, Any]  #: in the shape of CompVis's yaml files
    clip_folder: Path | None = None  #: that the yaml names: config.json, vocab.json and merges.txt

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of the diffusion model."""
        params: dict[str, Any] = self.config["model"]["params"]
        return params

    @property
    def is_v_prediction(self) -> bool | None:
        """Whether the UNet answers with the velocity instead of the noise; None: only the UNet can tell."""
        if "denoiser_config" in self.params:
            scaling = self.params["denoiser_config"].get("params", {}).get("scaling_config", {})
            return str(scaling.get("target")).endswith(".VScaling")
        kind = self.params.get("parameterization")
        return None if kind is None else bool(kind == "v")


def architecture_of(config: Path | None, weights: Shapes) -> Architecture:
    """The architecture that a yaml file describes, or what the weights show without one.

    Raises UnfitCheckpoint for anything that is no latent diffusion model.
    """
    return read_architecture(config) if config else Architecture(derived_config(weights))


def read_architecture(config: Path) -> Architecture:
    """The architecture that a yaml file describes. Raises UnfitCheckpoint for any other file."""
    described = _read_yaml(config)
    try:
        params = described["model"]["params"]
        unet = params.setdefault("unet_config", params.get("network_config"))["params"]
        clip = params.get("cond_stage_config", {}).get("params", {}).get("version")
        unet["model_channels"], params["first_stage_config"]["params"]["ddconfig"]["ch"]
    except (KeyError, TypeError, AttributeError) as error:
        raise UnfitCheckpoint(
            f"{config} describes no latent diffusion model: {error!r} is missing or misplaced"
        ) from error
    unet.setdefault("transformer_depth", 1)
    params.setdefault("parameterization", "eps")
    folders = (config.parent / str(clip), Path.cwd() / str(clip))
    return Architecture(described, next((one for one in folders if clip and one.is_dir()), None))


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
