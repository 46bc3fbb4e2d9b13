"""The .yaml beside a checkpoint. The webui imports and calls whatever its `target` lines name.

So only what the webui's own configurations name passes, and nothing that reaches past it: no other dotted
name, no interpolation, no file but a folder beside the yaml.
Source: stable-diffusion-webui v1.10.1 modules/sd_models.py, get_obj_from_str and instantiate_from_config.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from webui_async.contract.errors import ModelFileError, shown

MAX_BYTES = 100_000
MAX_DEPTH = 20
MAX_PROBLEMS = 3

#: What `target` may say. Source: configs/ of the webui v1.10.1, configs/stable-diffusion of stablediffusion
#: cf1d67a6 and configs/inference of generative-models 45c443b3, without those that fetch or unpickle files.
TARGETS = frozenset(
    {
        "ldm.lr_scheduler.LambdaLinearScheduler",
        "ldm.models.autoencoder.AutoencoderKL",
        "ldm.models.diffusion.ddpm.LatentDiffusion",
        "ldm.models.diffusion.ddpm.LatentInpaintDiffusion",
        "ldm.modules.diffusionmodules.openaimodel.UNetModel",
        "ldm.modules.encoders.modules.FrozenCLIPEmbedder",
        "ldm.modules.encoders.modules.FrozenOpenCLIPEmbedder",
        "modules.models.diffusion.ddpm_edit.LatentDiffusion",
        "modules.models.sd3.sd3_model.SD3Inferencer",
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
        "sgm.modules.diffusionmodules.openaimodel.UNetModel",
        "sgm.modules.encoders.modules.ConcatTimestepEmbedderND",
        "sgm.modules.encoders.modules.FrozenCLIPEmbedder",
        "sgm.modules.encoders.modules.FrozenOpenCLIPEmbedder2",
        "torch.nn.Identity",
    }
)
_TARGET = "target"
_OPENING = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)
#: Any of the webui's parameters may be imported, so a name with dots is one wherever it stands.
_DOTTED_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
#: Keys that name a file which is unpickled.
_FILE_KEY = re.compile(r"(?:^|_)(?:ckpt|paths?|files?|filename|pretrained)(?:_|$)")
#: What PyYAML makes of things that no configuration of the webui holds.
_PLAIN = (str, int, float, bool, type(None))


def check_yaml(path: Path) -> dict[str, Any]:
    """The document of a checkpoint's yaml, once nothing in it can do harm.

    Raises ModelFileError that names the keys and values which may not be, three of them at most.
    """
    document = _load(path)
    problems = list(_problems(document, ""))
    if problems:
        more = f"; and {len(problems) - MAX_PROBLEMS} more" if len(problems) > MAX_PROBLEMS else ""
        raise ModelFileError(path.name, "may not be used: " + "; ".join(problems[:MAX_PROBLEMS]) + more)
    if not isinstance(document, dict) or not isinstance(document.get("model"), dict):
        raise ModelFileError(path.name, "describes no model: it must have a key `model`")
    return document


def _load(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ModelFileError(path.name, f"cannot be read: {error.strerror or error}") from error
    if len(text) > MAX_BYTES:
        raise ModelFileError(path.name, f"is larger than {MAX_BYTES:,} bytes: that is no model's description")
    try:
        _check_tokens(text, path.name)
        return yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        line = " ".join(str(error).split())[:200]
        raise ModelFileError(path.name, f"cannot be read as YAML: {line}") from error


def _check_tokens(text: bytes, name: str) -> None:
    """Raises ModelFileError for what must not even be built: tags, references, endless nesting."""
    depth = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.TagToken | yaml.AnchorToken | yaml.AliasToken):
            what = type(token).__name__.removesuffix("Token").lower()
            place = f"line {token.start_mark.line + 1}"
            raise ModelFileError(name, f"has a YAML {what} in {place}: write the value itself there")
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > MAX_DEPTH:
            raise ModelFileError(name, f"is nested deeper than {MAX_DEPTH} levels")


def _problems(node: Any, place: str) -> Iterator[str]:
    """Everything in `node` that may not be, each with its key path and value."""
    if isinstance(node, dict):
        for key, value in node.items():
            inner = f"{place}.{key}" if place else str(key)
            yield from _problems_of_entry(key, value, inner)
            yield from _problems(value, inner)
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _problems(value, f"{place}[{number}]")
    elif isinstance(node, str):
        yield from _problems_of_text(node, place)
    elif not isinstance(node, _PLAIN):
        yield f"{place} is {shown(str(node))}, a {type(node).__name__}; only texts and numbers belong there"


def _problems_of_entry(key: object, value: Any, place: str) -> Iterator[str]:
    if not isinstance(key, str) or "${" in key:
        yield f"{place} has the key {shown(key)}; keys must be plain texts"
    elif key == _TARGET and not isinstance(value, str):
        yield f"{place} is {shown(value)}; it must name one of the webui's own classes"
    elif _FILE_KEY.search(key) and value is not None and not isinstance(value, bool):
        yield f"{place} is {shown(value)}; the webui would unpickle that file, so leave the line out"


def _problems_of_text(text: str, place: str) -> Iterator[str]:
    is_target = place.rpartition(".")[2] == _TARGET
    if "${" in text:
        yield f"{place} is {shown(text)}; interpolations can read the environment, so write the value itself"
    elif (is_target or _DOTTED_NAME.fullmatch(text)) and text not in TARGETS:
        yield f"{place} is {shown(text)}, which is no class of the webui's own configurations"
    elif _leaves_the_folder(text):
        yield f"{place} is {shown(text)}; it must stay in the yaml's folder"


def _leaves_the_folder(text: str) -> bool:
    is_place = "://" in text or "\\" in text or text.startswith(("~", "hf-hub:", "pipe:"))
    return is_place or text.startswith("/") or ".." in PurePosixPath(text).parts
