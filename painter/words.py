"""Words of captions: plurals, articles, colour words, and the styles and qualities put round a prompt."""

from painter.colors import COLOR_NAMES, COLOR_WORDS
from painter.dice import Dice

NUMBERS = {1: "a", 2: "two", 3: "three", 4: "four"}
PLURALS = {
    "house": "houses",
    "cottage": "cottages",
    "cabin": "cabins",
    "home": "homes",
    "cactus": "cacti",
    "fish": "fish",
    "cross": "crosses",
    "cat": "cats",
}
SIZE_WORDS = {"big": ["big", "large", "huge", "giant"], "small": ["small", "tiny", "little"]}
LEADS = [
    "a painting of", "a picture of", "an illustration of", "an image of", "a drawing of", "a photo of",
    "a view of", "a landscape with", "a scene with",
]  # fmt: skip
STYLES = [
    "flat vector illustration", "vector art", "flat illustration", "minimalist illustration", "digital art",
    "illustration", "flat design", "poster", "simple shapes", "clean lines", "wallpaper",
]  # fmt: skip
QUALITIES = [
    "masterpiece", "best quality", "highly detailed", "4k", "8k", "high quality", "beautiful", "detailed",
    "hd", "high resolution", "trending on artstation", "cinematic lighting", "soft light", "award winning",
    "intricate", "sharp focus", "professional", "ultra realistic",
]  # fmt: skip
#: what people write into the negative prompt; the model learns that these words name nothing
NEGATIVES = [
    "blurry", "low quality", "worst quality", "bad anatomy", "ugly", "deformed", "watermark", "text",
    "jpeg artifacts", "lowres", "noise", "bad hands", "signature", "cropped", "out of focus", "extra limbs",
    "disfigured", "nsfw",
]  # fmt: skip


def plural(noun: str) -> str:
    return PLURALS.get(noun, noun + "s")


def article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def with_article(words: str) -> str:
    return f"{article(words)} {words}"


def color_word(dice: Dice, color: str) -> str:
    """A word for the colour, mostly its usual one."""
    words = COLOR_WORDS[color]
    return words[0] if dice.chance(0.8) else dice.pick(words)


def other_color(dice: Dice, *taken: str) -> str:
    """Any of the twelve colours but those."""
    color = dice.pick(COLOR_NAMES)
    while color in taken:
        color = dice.pick(COLOR_NAMES)
    return color


def background_phrase(dice: Dice, color: str) -> str:
    """ "on a blue background" and its like."""
    word = color_word(dice, color)
    on = f"on {with_article(word)} background"
    against = f"against {with_article(word)} background"
    return dice.pick([on, on, f"on {word}", against, f"{word} background"])


def finish(dice: Dice, caption: str, may_lead: bool = True) -> str:
    """The caption as people write prompts: sometimes with a lead, a style, a quality or a full stop."""
    if may_lead and dice.chance(0.1):
        caption = dice.pick(LEADS) + " " + caption
    if dice.chance(0.16):
        caption += ", " + ", ".join(dice.shuffled(STYLES)[: dice.integer(1, 2)])
    if dice.chance(0.12):
        quality = ", ".join(dice.shuffled(QUALITIES)[: dice.integer(1, 3)])
        caption = f"{quality}, {caption}" if dice.chance(0.4) else f"{caption}, {quality}"
    if dice.chance(0.06):
        caption = caption[0].upper() + caption[1:] + "."
    return caption
