"""The command line: the stock webui's own flags, so that whoever launches it can launch us."""

import argparse
from dataclasses import dataclass
from pathlib import Path

#: flags of the stock webui that mean nothing here: accepted, so that one launch line fits both
IGNORED_FLAGS = (
    "--api",
    "--nowebui",
    "--skip-prepare-environment",
    "--skip-install",
    "--skip-version-check",
    "--skip-python-version-check",
    "--skip-torch-cuda-test",
    "--no-download-sd-model",
    "--do-not-download-clip",
    "--no-prompt-history",
    "--no-half",
    "--no-half-vae",
    "--opt-sdp-attention",
    "--opt-sdp-no-mem-attention",
    "--opt-channelslast",
    "--xformers",
    "--disable-console-progressbars",
    "--disable-safe-unpickle",
    "--hide-ui-dir-config",
    "--skip-load-model-at-start",
    "--api-log",
    "--medvram",
    "--lowvram",
    "--listen",
    "--upcast-sampling",
    "--disable-nan-check",
    "--enable-insecure-extension-access",
)

#: the same, with a value
IGNORED_VALUES = (
    "--precision",
    "--use-cpu",
    "--theme",
    "--loglevel",
    "--device-id",
    "--timeout-keep-alive",
    "--controlnet-dir",
    "--styles-file",
    "--ui-config-file",
)


@dataclass(frozen=True)
class Settings:
    """What one process was told at its start."""

    data_dir: Path  #: config.json, cache/ and outputs/ live here
    ckpt_dir: Path  #: checkpoints, each with an optional .yaml beside it
    lora_dir: Path  #: LoRA files
    vae_dir: Path  #: VAE files
    embeddings_dir: Path  #: textual inversion files
    settings_file: Path  #: config.json
    server_name: str = "127.0.0.1"  #: address to listen on
    port: int = 7861  #: port to listen on
    no_hashing: bool = False  #: skip the sha256 of checkpoints
    ckpt: str | None = None  #: checkpoint to begin with, when config.json names none


def parse(argv: list[str] | None = None) -> Settings:
    """Settings of this process; an unknown flag ends it with argparse's message and code 2."""
    words = _parser().parse_args(argv)
    data_dir = words.data_dir.absolute()
    models = (words.models_dir or data_dir / "models").absolute()
    return Settings(
        data_dir=data_dir,
        ckpt_dir=(words.ckpt_dir or models / "Stable-diffusion").absolute(),
        lora_dir=(words.lora_dir or models / "Lora").absolute(),
        vae_dir=(words.vae_dir or models / "VAE").absolute(),
        embeddings_dir=(words.embeddings_dir or data_dir / "embeddings").absolute(),
        settings_file=(words.ui_settings_file or data_dir / "config.json").absolute(),
        server_name=words.server_name,
        port=words.port,
        no_hashing=words.no_hashing,
        ckpt=words.ckpt,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m diffusers_webui", allow_abbrev=False, description=__doc__
    )
    parser.add_argument("--port", type=int, default=7861, help="port to listen on")
    parser.add_argument("--server-name", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--data-dir", type=Path, default=Path("."), help="where config.json, cache/ and outputs/ live"
    )
    parser.add_argument("--models-dir", type=Path, help="parent of Stable-diffusion/, Lora/ and VAE/")
    parser.add_argument("--ckpt-dir", type=Path, help="folder of checkpoints")
    parser.add_argument("--ckpt", help="checkpoint to begin with")
    parser.add_argument("--lora-dir", type=Path, help="folder of LoRA files")
    parser.add_argument("--vae-dir", type=Path, help="folder of VAE files")
    parser.add_argument("--embeddings-dir", type=Path, help="folder of textual inversion files")
    parser.add_argument("--ui-settings-file", type=Path, help="config.json elsewhere than in the data folder")
    parser.add_argument("--no-hashing", action="store_true", help="do not compute the sha256 of checkpoints")
    ignored = parser.add_argument_group("flags of the stock webui, accepted and ignored")
    for flag in IGNORED_FLAGS:
        ignored.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
    for flag in IGNORED_VALUES:
        ignored.add_argument(flag, nargs="+" if flag == "--use-cpu" else None, help=argparse.SUPPRESS)
    return parser
