"""Networks from a diffusers folder: model_index.json, and a folder for each part."""

import json
from pathlib import Path
from typing import Any

from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from diffusers_webui.checkpoints import PIPELINE_INDEX
from diffusers_webui.errors import UnfitCheckpoint, UnreadableCheckpoint
from diffusers_webui.networks import Networks, alphas_cumprod, load_tokenizer
from diffusers_webui.text import TextEncoder

#: pipelines whose networks are drawn with here. The names are compared, never imported.
_PIPELINES = (
    "LatentConsistencyModelPipeline",
    "StableDiffusionImg2ImgPipeline",
    "StableDiffusionPipeline",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLPipeline",
)


def read_pipeline_folder(folder: Path) -> Networks:
    """Read a diffusers folder; weights from safetensors only.

    Raises UnreadableCheckpoint, UnfitCheckpoint or MissingTokenizer.
    """
    kind = _json(folder / PIPELINE_INDEX).get("_class_name")
    if kind not in _PIPELINES:
        raise UnfitCheckpoint(
            f"{folder / PIPELINE_INDEX} is of a {kind}; this server knows {', '.join(_PIPELINES)}"
        )
    schedule = _json(folder / "scheduler" / "scheduler_config.json")
    if schedule.get("beta_schedule", "scaled_linear") != "scaled_linear":
        raise UnfitCheckpoint(f"{folder.name} was trained on beta_schedule {schedule['beta_schedule']!r}")
    try:
        vae = _part(AutoencoderKL, folder / "vae")
        return Networks(
            _part(UNet2DConditionModel, folder / "unet"),
            vae,
            _text_encoders(folder),
            load_tokenizer(folder / "tokenizer"),
            alphas_cumprod(
                float(schedule.get("beta_start", 0.00085)),
                float(schedule.get("beta_end", 0.012)),
                int(schedule.get("num_train_timesteps", 1000)),
            ),
            float(vae.config.scaling_factor),
            schedule.get("prediction_type") == "v_prediction",
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UnreadableCheckpoint(f"{folder.name}: {str(error)[:2000]}") from error


def _text_encoders(folder: Path) -> list[TextEncoder]:
    first = _part(CLIPTextModel, folder / "text_encoder")
    first_pad = _pad(folder / "tokenizer")
    if not (folder / "text_encoder_2").is_dir():
        # Stable Diffusion 2 comes without its last layer here, so the last is the one that is heard
        return [TextEncoder(first, "te", first_pad, obeys_clip_skip=first.config.hidden_act == "quick_gelu")]
    second = _part(CLIPTextModelWithProjection, folder / "text_encoder_2")
    return [
        TextEncoder(first, "te1", first_pad, layer=-2, is_normed=False),
        TextEncoder(second, "te2", _pad(folder / "tokenizer_2"), layer=-2, is_normed=False, is_pooled=True),
    ]


def _part(kind: Any, folder: Path) -> Any:
    """One network. Half-precision files are taken where there are no others."""
    is_half_only = any(folder.glob("*.fp16.safetensors")) and not any(
        ".fp16" not in path.name for path in folder.glob("*.safetensors")
    )
    return kind.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, variant="fp16" if is_half_only else None
    )


def _pad(folder: Path) -> int:
    return int(load_tokenizer(folder).pad_token_id)


def _json(file: Path) -> dict[str, Any]:
    try:
        described = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableCheckpoint(f"{file} cannot be read: {error}") from error
    if not isinstance(described, dict):
        raise UnreadableCheckpoint(f"{file} holds no mapping")
    return described
