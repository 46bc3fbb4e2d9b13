"""The command line: the stock webui's own flags, so that whoever launches it can launch us."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

#: flags of the stock webui that would promise something which is not there: unknown, as any wrong flag
_NOT_HERE = (
    "tls_keyfile",
    "tls_certfile",
    "subpath",
    "freeze_settings",
    "freeze_settings_in_sections",
    "freeze_specific_settings",
)

#: of the stock webui's ControlNet extension: people put it on the same line
_OF_EXTENSIONS = {"controlnet_dir": None}


@dataclass(frozen=True)
class Settings:
    """What one process was told at its start."""

    data_dir: Path  #: config.json, cache/ and outputs/ live here
    ckpt_dir: Path  #: checkpoints, each with an optional .yaml beside it
    lora_dir: Path  #: LoRA files
    vae_dir: Path  #: VAE files
    embeddings_dir: Path  #: textual inversion files
    settings_file: Path  #: config.json
    styles_files: tuple[Path, ...]  #: styles.csv, or several of them
    server_name: str = "127.0.0.1"  #: address to listen on
    port: int = 7861  #: port to listen on
    no_hashing: bool = False  #: skip the sha256 of checkpoints
    ckpt: str | None = None  #: checkpoint to begin with, when config.json names none
    clip_dir: Path | None = None  #: CLIP's vocab.json and merges.txt, where no checkpoint has them beside it
    dtype: str | None = None  #: floating point of the networks; by default what the device is quick in
    torch_compile: bool = False  #: compile the UNet: minutes at the start, quicker drawings afterwards
    api_auth: Mapping[str, str] = field(default_factory=dict, repr=False)  #: passwords by user; {}: open
    api_server_stop: bool = False  #: have the routes that end the process
    flags: Mapping[str, Any] = field(default_factory=dict, repr=False)  #: the body of GET /cmd-flags


def parse(argv: list[str] | None = None) -> Settings:
    """Settings of this process; an unknown flag ends it with argparse's message and code 2."""
    parser = _parser()
    words = parser.parse_args(argv)
    data_dir = words.data_dir.absolute()
    models = (words.models_dir or data_dir / "models").absolute()
    folders = {
        "ckpt_dir": (words.ckpt_dir or models / "Stable-diffusion").absolute(),
        "lora_dir": (words.lora_dir or models / "Lora").absolute(),
        "vae_dir": (words.vae_dir or models / "VAE").absolute(),
        "embeddings_dir": (words.embeddings_dir or data_dir / "embeddings").absolute(),
    }
    return Settings(
        **folders,
        data_dir=data_dir,
        styles_files=tuple(Path(one).absolute() for one in words.styles_file) or (data_dir / "styles.csv",),
        settings_file=(words.ui_settings_file or data_dir / "config.json").absolute(),
        server_name=words.server_name or ("0.0.0.0" if words.listen else "127.0.0.1"),
        port=words.port,
        no_hashing=words.no_hashing,
        ckpt=words.ckpt,
        clip_dir=words.clip_dir.absolute() if words.clip_dir else None,
        dtype=words.dtype,
        torch_compile=words.torch_compile,
        api_auth=_passwords(words.api_auth, parser),
        api_server_stop=words.api_server_stop,
        flags=_shown(vars(words) | folders),
    )


def flags_defaults() -> dict[str, Any]:
    """Every flag of the stock webui v1.10.1 with its default; folders of a machine are None."""
    text = resources.files("diffusers_webui").joinpath("flags_defaults.json").read_text(encoding="utf-8")
    flags: dict[str, Any] = json.loads(text)
    return flags


def _passwords(text: str | None, parser: argparse.ArgumentParser) -> dict[str, str]:
    """`user:password`, or several with commas between."""
    pairs = [pair.strip().partition(":") for pair in (text or "").split(",") if pair.strip()]
    if not all(user and colon for user, colon, _ in pairs):
        parser.error("--api-auth: give user:password, or several with commas between")
    return {user: password for user, _, password in pairs}


def _shown(words: dict[str, Any]) -> dict[str, Any]:
    given = {key: str(value) if isinstance(value, Path) else value for key, value in words.items()}
    known = {key: given.get(key, default) for key, default in flags_defaults().items()}
    return known | {"port": str(words["port"]), "api_auth": None}  # a password is no flag to show


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m diffusers_webui", allow_abbrev=False, description=__doc__
    )
    parser.add_argument("--port", type=int, default=7861, help="port to listen on")
    parser.add_argument("--server-name", help="address to listen on; 127.0.0.1 when nothing is said")
    parser.add_argument("--listen", action="store_true", help="listen on every address")
    parser.add_argument("--api-auth", help="user:password that the routes ask for; several with commas")
    parser.add_argument("--api-server-stop", action="store_true", help="have the server-kill route")
    parser.add_argument(
        "--data-dir", type=Path, default=Path("."), help="where config.json, cache/ and outputs/ live"
    )
    parser.add_argument("--models-dir", type=Path, help="parent of Stable-diffusion/, Lora/ and VAE/")
    parser.add_argument("--ckpt-dir", type=Path, help="folder of checkpoints")
    parser.add_argument("--ckpt", help="checkpoint to begin with")
    parser.add_argument("--lora-dir", type=Path, help="folder of LoRA files")
    parser.add_argument("--vae-dir", type=Path, help="folder of VAE files")
    parser.add_argument("--embeddings-dir", type=Path, help="folder of textual inversion files")
    parser.add_argument("--styles-file", action="append", default=[], help="styles.csv elsewhere; or several")
    parser.add_argument("--ui-settings-file", type=Path, help="config.json elsewhere than in the data folder")
    parser.add_argument("--no-hashing", action="store_true", help="do not compute the sha256 of checkpoints")
    _add_own(parser)
    _add_ignored(parser)
    return parser


def _add_own(parser: argparse.ArgumentParser) -> None:
    """What the stock webui does not have."""
    own = parser.add_argument_group("flags that the stock webui does not have")
    own.add_argument("--clip-dir", type=Path, help="folder with CLIP's vocab.json and merges.txt")
    own.add_argument("--dtype", choices=("float32", "float16", "bfloat16"), help="of the networks")
    own.add_argument("--torch-compile", action="store_true", help="compile the UNet at the start")


def _add_ignored(parser: argparse.ArgumentParser) -> None:
    """The stock webui's other flags: taken, so that one launch line fits both, and given by /cmd-flags."""
    own = vars(parser.parse_args([]))
    for name, default in (flags_defaults() | _OF_EXTENSIONS).items():
        if name in own or name in _NOT_HERE:
            continue
        if isinstance(default, bool):
            how: dict[str, Any] = {"action": "store_true"}
        elif isinstance(default, list):
            how = {"nargs": "+"}
        else:
            how = {"type": int if isinstance(default, int) else str}
        parser.add_argument(f"--{name.replace('_', '-')}", default=default, help=argparse.SUPPRESS, **how)
