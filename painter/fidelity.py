"""Does the checkpoint draw what the prompt names? 40 shape prompts and 15 scenes, read by the scorer.

    python -m painter.fidelity [--checkpoint FILE] [--size 512] [--steps 20] [--out JSON] [--sheet PNG]

Euler a, CFG 7, one fixed seed a prompt. Needs diffusers and transformers; about 6 minutes on two CPU cores.
"""

import argparse
import json
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from painter.contact_sheet import Style, contact_sheet
from painter.fidelity_prompts import shape_prompts
from painter.pipeline import CHECKPOINT, draw, load_pipeline
from painter.scorer import TIMES_OF_DAY, read_picture, read_time_of_day, score_picture, scores

SCENES = [
    "the sea with a sailboat",
    "mountains and a lake",
    "a house in a meadow",
    "a cactus in the desert",
    "a city skyline",
]
SHAPE_SEED, SCENE_SEED = 100, 500


@dataclass
class Drawn:
    """Every picture with its prompt, and whether it shows what the prompt names."""

    pictures: list[Any] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    is_wrong: list[bool] = field(default_factory=list)

    def add(self, picture: Any, prompt: str, is_right: bool) -> None:
        self.pictures.append(picture)
        self.prompts.append(prompt)
        self.is_wrong.append(not is_right)
        print("ok   " if is_right else "wrong", prompt, flush=True)


def measure(checkpoint: Path, size_px: int, steps: int) -> tuple[dict[str, Any], Drawn]:
    """The shares that are right and what was read in every picture; and the pictures."""
    pipeline = load_pipeline(checkpoint)
    drawn, seconds, shapes = Drawn(), [], []
    for i, prompt in enumerate(shape_prompts()):
        started = time.monotonic()
        picture = draw(pipeline, prompt, SHAPE_SEED + i, size_px, steps)
        seconds.append(time.monotonic() - started)
        shapes.append({"prompt": prompt, "read": vars(read_picture(picture))})
        drawn.add(picture, prompt, score_picture(picture, prompt).colors_and_shape)
    shares = scores(zip(drawn.pictures, drawn.prompts, strict=True))
    scenes = []
    for i in range(15):
        asked = TIMES_OF_DAY[i % 3]
        prompt = f"{SCENES[i // 3]} {asked}"
        picture = draw(pipeline, prompt, SCENE_SEED + i, size_px, steps)
        read = read_time_of_day(picture)
        scenes.append({"prompt": prompt, "asked": asked, "read": read})
        drawn.add(picture, prompt, read == asked)
    shares["time_of_day"] = sum(scene["read"] == scene["asked"] for scene in scenes) / len(scenes)
    median_s = statistics.median(seconds)
    told = {"size_px": size_px, "steps": steps, "right": shares, "median_s": median_s}
    return {**told, "shapes": shapes, "scenes": scenes}, drawn


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m painter.fidelity", description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT, help="with its yaml beside it")
    parser.add_argument("--size", type=int, default=512, help="side in px")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--out", type=Path, help="write every reading here as JSON")
    parser.add_argument("--sheet", type=Path, help="write every picture here, wrong ones named in red")
    options = parser.parse_args()
    found, drawn = measure(options.checkpoint, options.size, options.steps)
    for part, share in found["right"].items():
        print(f"{part:18} {share:6.1%}")
    if options.out:
        options.out.write_text(json.dumps(found, indent=1))
    if options.sheet:
        style = Style(columns=11, side_px=112, gap_px=10, font_px=10, caption_lines=2)
        contact_sheet(drawn.pictures, drawn.prompts, style, drawn.is_wrong).save(options.sheet, optimize=True)


if __name__ == "__main__":
    main()
