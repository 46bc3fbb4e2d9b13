"""The shape prompts the checkpoint is measured with, always the same."""

from painter.dice import Dice
from painter.words import other_color, with_article

BACKGROUNDS = ["white", "black", "blue", "yellow", "green", "red", "purple", "pink"]
SHAPES = ["circle", "square", "triangle", "star", "heart"]
PROMPT_SEED = 4242


def shape_prompts(count: int = 40, seed: int = PROMPT_SEED) -> list[str]:
    """ "a purple circle on a white background" and so on, always the same."""
    dice, prompts = Dice(seed), []
    for i in range(count):
        background, shape = BACKGROUNDS[i % len(BACKGROUNDS)], SHAPES[i % len(SHAPES)]
        thing = with_article(f"{other_color(dice, background)} {shape}")
        prompts.append(f"{thing} on {with_article(background)} background")
    return prompts
