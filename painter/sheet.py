"""Looks at the training data: a sheet of painted pictures, their captions on the screen.

python -m painter.sheet --count 36 --seed 100 --out sheet.png
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from painter.canvas import Picture
from painter.scenes import paint

COLUMNS = 6


def sheet(pictures: list[Picture], side_px: int = 256) -> Picture:
    """The pictures in rows of six."""
    small = [cv2.resize(picture, (side_px, side_px), interpolation=cv2.INTER_AREA) for picture in pictures]
    small += [np.full_like(small[0], 255)] * (-len(small) % COLUMNS)
    rows = [np.concatenate(small[i : i + COLUMNS], 1) for i in range(0, len(small), COLUMNS)]
    return np.concatenate(rows, 0)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m painter.sheet", description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=36, help="how many pictures")
    parser.add_argument("--seed", type=int, default=100, help="of the first; the others follow it")
    parser.add_argument("--out", type=Path, default=Path("sheet.png"), help="the picture to write")
    options = parser.parse_args()
    pictures = []
    for seed in range(options.seed, options.seed + options.count):
        picture, captions = paint(seed)
        pictures.append(picture)
        print(seed, "|", " | ".join(captions))
    cv2.imwrite(str(options.out), sheet(pictures)[..., ::-1])


if __name__ == "__main__":
    main()
