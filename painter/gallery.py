"""The gallery: ten pictures of the packed checkpoint, two of them with the LoRA, each over its prompt.

    python -m painter.gallery [--out docs/images/gallery.png]

Prompts and seeds stand here since before the first picture was drawn, and every picture drawn is shown.
Euler a, 20 steps, CFG 7, drawn at 512 x 512 and shown at half that. Needs diffusers, transformers and Pillow;
about 6 s a picture on two CPU cores.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from painter.contact_sheet import contact_sheet
from painter.pipeline import LORA, draw, load_pipeline


@dataclass(frozen=True)
class Entry:
    """One picture of the gallery."""

    prompt: str
    seed: int
    with_lora: bool = False

    @property
    def caption(self) -> str:
        """The prompt as the webui takes it."""
        return self.prompt + (" <lora:blueprint:1>" if self.with_lora else "")


GALLERY = [
    Entry("a red balloon over blue mountains at sunset", seed=1),
    Entry("a white sailboat on the sea at night", seed=2),
    Entry("a lighthouse on the right at dusk", seed=3),
    Entry("a small house in a green meadow, noon", seed=4),
    Entry("a cactus in the desert at dawn", seed=5),
    Entry("a red circle on a blue background", seed=6),
    Entry("a black cat on a yellow background", seed=7),
    Entry("a city skyline at night with a full moon", seed=8),
    Entry("a castle on green hills in daylight", seed=9, with_lora=True),
    Entry("a palm tree on a beach at noon", seed=10, with_lora=True),
]


def draw_gallery() -> list[Image.Image]:
    """Every entry's picture at 512 x 512, in the gallery's order. Entries with the LoRA must come last."""
    pipeline = load_pipeline()
    pictures = []
    for entry in GALLERY:
        if entry.with_lora and "blueprint" not in pipeline.get_active_adapters():
            pipeline.load_lora_weights(str(LORA), adapter_name="blueprint")
        pictures.append(draw(pipeline, entry.prompt, entry.seed))
        print(f"drawn: {entry.caption}", flush=True)
    return pictures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m painter.gallery", description=__doc__.split("\n")[0])
    default = Path(__file__).parents[1] / "docs" / "images" / "gallery.png"
    parser.add_argument("--out", type=Path, default=default, help="the PNG to write")
    options = parser.parse_args()
    sheet = contact_sheet(draw_gallery(), [entry.caption for entry in GALLERY])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(options.out, optimize=True)
    print(f"{options.out}: {sheet.width} x {sheet.height} px, {options.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
