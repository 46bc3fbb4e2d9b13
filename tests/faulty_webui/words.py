"""The command line of every stand-in: some of the webui's launch flags, and ways to set its faults."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, default=Path("."))
    parser.add_argument("--ckpt-dir", type=Path, help="instead of models/Stable-diffusion in the data folder")
    parser.add_argument("--lora-dir", type=Path, help="instead of models/Lora in the data folder")
    parser.add_argument("--delay", type=float, default=0.2, help="seconds that one drawing takes")
    parser.add_argument("--per-step", action="store_true", help="--delay is what one step takes")
    parser.add_argument(
        "--switch-delay", type=float, default=0.0, help="seconds that loading a checkpoint takes"
    )
    parser.add_argument("--reply", type=Path, help="a file that is the body of every answer to a drawing")
    parser.add_argument("--log", type=Path, help="where the record of drawings goes; else in the data folder")
    parser.add_argument("--times", type=int, default=1, help="how many drawings go wrong; 0 means every one")
    parser.add_argument("--start-delay", type=float, default=1.0, help="seconds until slow_start.py listens")
    parser.add_argument(
        "--since-parent",
        action="store_true",
        help="--start-delay counts from the start of the process that starts slow_start.py",
    )
    parser.add_argument(
        "--leak-bytes", type=int, default=1 << 20, help="what a drawing of leaks_memory.py keeps"
    )
    parser.add_argument(
        "--bad", default="torn", help="the checkpoint that poisoned_after_a_bad_file.py cannot read"
    )
    return parser.parse_known_args(argv)[0]
