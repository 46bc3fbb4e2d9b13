"""What a training run is told."""

import argparse
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Options:
    """The options of `python -m painter.train`; its defaults are those of the first training (one H200)."""

    out: Path = Path("out/training")  #: everything written goes here
    vae_s: float = 360  #: seconds for the VAE
    unet_s: float = 1030  #: seconds for text encoder and UNet, which train together
    lora_s: float = 45  #: seconds for the LoRA
    store: int = 65_536  #: pictures kept on the device until they are latents (786 kB each)
    min_store: int = 4096  #: pictures painted before the VAE begins
    latents: int = 240_000  #: latents kept at most; painting goes on during training until there are so many
    slot: int = 64  #: pictures a painter hands over at once; store and latents fill in such steps
    workers: int = 13  #: painter processes
    batch_64: int = 256  #: batch of text encoder and UNet at 64 x 64 latents (512 px)
    batch_32: int = 512  #: batch at 32 x 32 latents (256 px)
    batch_crops: int = 96  #: batch of the VAE at crops of 128 px; larger crops get smaller batches
    batch_lora: int = 128  #: batch of the LoRA
    lr: float = 8e-4  #: peak learning rate of text encoder and UNet
    init: Path | None = None  #: go on from this checkpoint: its VAE is kept, text encoder and UNet train on
    init_lora: Path | None = None  #: go on from this LoRA
    max_steps: int = 0  #: end each stage after so many steps, whatever its seconds; 0 is no limit
    no_compile: bool = False  #: never use torch.compile (it is never used on a CPU)


#: every stage on a CPU in about a minute; the weights are useless
TINY: dict[str, Any] = {
    "vae_s": 5,
    "unet_s": 10,
    "lora_s": 5,
    "store": 8,
    "min_store": 8,
    "latents": 16,
    "slot": 4,
    "workers": 1,
    "batch_64": 2,
    "batch_32": 2,
    "batch_crops": 24,
    "batch_lora": 4,
    "max_steps": 4,
}
_HELP = {
    "out": "folder for everything written",
    "vae_s": "seconds for the VAE",
    "unet_s": "seconds for text encoder and UNet together",
    "lora_s": "seconds for the LoRA",
    "store": "pictures kept on the device until they are latents",
    "min_store": "pictures painted before the VAE begins",
    "latents": "latents kept at most",
    "slot": "pictures a painter hands over at once",
    "workers": "painter processes",
    "batch_64": "batch at 64 x 64 latents (512 px)",
    "batch_32": "batch at 32 x 32 latents (256 px)",
    "batch_crops": "the VAE's batch at crops of 128 px",
    "batch_lora": "the LoRA's batch",
    "lr": "peak learning rate of text encoder and UNet",
    "init": "checkpoint to go on from: its VAE is kept, text encoder and UNet train on",
    "init_lora": "LoRA to go on from",
    "max_steps": "end each stage after so many steps, 0 for no limit",
    "no_compile": "never use torch.compile",
}


def parse_options(arguments: list[str] | None = None) -> Options:
    """Options from the command line. `--tiny` changes the defaults; what is given beside it still counts."""
    parser = argparse.ArgumentParser(
        prog="python -m painter.train",
        description="Train tiny-painter from nothing: VAE, then text encoder and UNet, then the LoRA.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--tiny", action="store_true", help="every stage in about a minute on a CPU, to try it"
    )
    for option in fields(Options):
        flag = "--" + option.name.replace("_", "-")
        if option.name == "no_compile":
            parser.add_argument(flag, action="store_true", help=_HELP[option.name])
        else:
            kind = Path if option.default is None else type(option.default)
            kind = Path if isinstance(option.default, Path) else kind
            parser.add_argument(flag, type=kind, default=option.default, help=_HELP[option.name])
    if parser.parse_known_args(arguments)[0].tiny:
        parser.set_defaults(**TINY)
    values = vars(parser.parse_args(arguments))
    values.pop("tiny")
    return Options(**values)
