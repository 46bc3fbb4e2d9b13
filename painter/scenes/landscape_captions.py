"""Captions of a landscape: a short one, a full one or a list of tags, told from what was painted."""

from painter.dice import Dice
from painter.scenes.landscape_words import (
    GROUND_WORDS,
    OVER,
    PLACE_WORDS,
    PREPOSITIONS,
    TIME_TAGS,
    TIME_WORDS,
)
from painter.scenes.view import Seen, View
from painter.things import THINGS
from painter.words import NUMBERS, SIZE_WORDS, color_word, finish, plural, with_article


def landscape_captions(view: View, count: int = 4) -> list[str]:
    """That many captions of the landscape, each telling it anew."""
    return [_caption(view, view.dice) for _ in range(count)]


def _caption(view: View, dice: Dice) -> str:
    things = dice.shuffled(view.things)
    ground = _ground_phrase(view, dice)
    time = _time_phrase(view, dice)
    extras = [phrase for phrase, probability in _extras(view, dice) if dice.chance(probability)]
    style = dice.pick(["short", "full", "tags"], [4, 4, 2.2])
    if style == "tags":
        return finish(dice, _tags(view, dice, things, ground, extras), may_lead=False)
    return _sentence(view, dice, things, ground, time, extras, is_full=style == "full")


def _ground_phrase(view: View, dice: Dice) -> str:
    """ "a green meadow", "the woods", "autumn hills"."""
    ground, season = view.ground, view.season
    phrase = dice.pick(GROUND_WORDS[ground])
    if ground == "lake" and view.is_winter:
        phrase = dice.pick(["a lake", "a lake in winter"])
    if ground in ("meadow", "hills", "forest") and season in ("autumn", "winter"):
        phrase = dice.pick([f"{with_article(season)} {ground}", f"the {ground} in {season}"])
        if ground == "hills":
            phrase = dice.pick(
                ["autumn hills" if season == "autumn" else "snowy hills", f"hills in {season}"]
            )
    return phrase


def _time_phrase(view: View, dice: Dice) -> str:
    """ "at sunset", "under a pink sky"."""
    phrase = dice.pick(TIME_WORDS[view.time])
    if view.sky_color:
        phrase = dice.pick(["under a %s sky", "with a %s sky"]) % color_word(dice, view.sky_color)
    return phrase


def _extras(view: View, dice: Dice) -> list[tuple[str, float]]:
    """Small things worth telling, each with how often it is told."""
    extras = []
    if view.body:
        extras.append((_body_phrase(view, dice), 0.4))
    if view.clouds:
        white = "white clouds" if view.time == "noon" else "clouds"
        extras.append((dice.pick(["clouds", "some clouds", "clouds in the sky", white]), 0.35))
    if view.birds:
        extras.append((dice.pick(["birds", "flying birds", "a flock of birds", "birds in the sky"]), 0.7))
    if view.has_rainbow:
        extras.append(("a rainbow", 0.92))
    if view.flowers:
        color = dice.pick(["colorful", "wild"]) if view.flowers == "mixed" else view.flowers
        extras.append((f"{color} flowers", 0.6))
    if view.is_snowing:
        extras.append((dice.pick(["falling snow", "snowflakes", "snow falling"]), 0.6))
    return extras


def _body_phrase(view: View, dice: Dice) -> str:
    """ "the sun on the left", "a crescent moon"."""
    body = view.body if view.body == "sun" or dice.chance(0.6) else "moon"
    the = "the" if body in ("sun", "moon") and dice.chance(0.5) else "a"
    phrase = f"{the} {body}"
    if body == "sun" and view.time == "sunset" and dice.chance(0.4):
        phrase = dice.pick(["a setting sun", "an orange sun"])
    if dice.chance(0.4):
        phrase += " " + dice.pick(PLACE_WORDS[view.body_place])
    return phrase


def _tags(view: View, dice: Dice, things: list[Seen], ground: str, extras: list[str]) -> str:
    """ "red balloon, blue mountains, sunset"."""
    tags = [_bare(thing_phrase(dice, thing, place_probability=0.15)) for thing in things]
    if view.mountains and dice.chance(0.85):
        tags.append(_mountain_phrase(view, dice))
    if dice.chance(0.85):
        tags.append(_bare(ground))
    if dice.chance(0.85):
        color = view.sky_color
        tags.append(color_word(dice, color) + " sky" if color else dice.pick(TIME_TAGS[view.time]))
    if view.season and dice.chance(0.7):
        tags.append(view.season)
    tags += extras
    return ", ".join(dice.shuffled(tags) if dice.chance(0.4) else tags) or ground


def _sentence(
    view: View, dice: Dice, things: list[Seen], ground: str, time: str, extras: list[str], is_full: bool
) -> str:
    """ "a red balloon over blue mountains at sunset with clouds"; a short one leaves more out."""
    tells_mountains = view.mountains is not None and dice.chance(0.9 if is_full else 0.6)
    tells_ground = dice.chance(0.95 if is_full else 0.6)
    tells_time = dice.chance(0.95 if is_full else 0.72)
    if not is_full:
        things = things[:1]
        extras = extras[:1] if dice.chance(0.4) else []
    if things:
        sentence = _sentence_of_things(view, dice, things, ground, tells_mountains, tells_ground)
    elif tells_mountains:
        sentence = _sentence_of_mountains(view, dice, ground if tells_ground else None)
    else:
        sentence = ground
    if view.season and view.season not in sentence and dice.chance(0.6):
        sentence += " in " + view.season
    may_lead = True
    if tells_time:
        may_lead = dice.chance(0.87)
        sentence = f"{sentence} {time}" if may_lead else f"{time}, {sentence}"
    if extras:
        sentence += dice.pick([" with ", ", "]) + " and ".join(extras)
    return finish(dice, sentence, may_lead)


def _sentence_of_things(
    view: View, dice: Dice, things: list[Seen], ground: str, tells_mountains: bool, tells_ground: bool
) -> str:
    """The first thing and where it is, then the rest."""
    first, *others = things
    sentence = thing_phrase(dice, first)
    if first.kind in OVER:
        if tells_mountains and (not tells_ground or dice.chance(0.5)):
            sentence += f" {dice.pick(OVER[first.kind])} {_mountain_phrase(view, dice)}"
            tells_mountains = False
        elif tells_ground:
            sentence += f" {dice.pick(OVER[first.kind])} {ground}"
            tells_ground = False
    elif tells_ground and first.kind == "boat":
        is_beach = view.ground == "beach"  # a boat is on the sea before it, and the beach is told as well
        on = dice.pick(["on", "sailing on"])
        sentence += f" {on} {dice.pick(GROUND_WORDS['sea']) if is_beach else ground}"
        tells_ground = is_beach
    elif tells_ground:
        sentence += f" {dice.pick(PREPOSITIONS[view.ground])} {ground}"
        tells_ground = False
    rest = [thing_phrase(dice, other) for other in others]
    if tells_mountains:
        behind = [" in the background", " in the distance", "", " behind"]
        rest.append(_mountain_phrase(view, dice) + dice.pick(behind))
    if tells_ground:
        rest.append(ground)
    if rest:
        sentence += dice.pick([" and ", " with ", ", "]) + " and ".join(rest)
    return sentence


def _sentence_of_mountains(view: View, dice: Dice, ground: str | None) -> str:
    if ground is None:
        return _mountain_phrase(view, dice)
    form = dice.pick(["%s behind %s", "%s and %s", "%s over %s"])
    return form % (_mountain_phrase(view, dice), ground)


def thing_phrase(
    dice: Dice, thing: Seen, place_probability: float = 0.3, color_probability: float = 0.92
) -> str:
    """ "a big red balloon on the left", "three cottages with a brown roof"."""
    noun = dice.pick(THINGS[thing.kind].words)
    words = []
    if thing.size_word and dice.chance(0.8):
        words.append(dice.pick(SIZE_WORDS[thing.size_word]))
    words += _color_words(dice, thing, color_probability)
    if thing.kind == "tree" and thing.color == "pink" and dice.chance(0.4):
        words, noun = [], "cherry tree"
    if thing.count == 1:
        words.append(noun)
        starts_with_vowel = words[0][0] in "aeiou"
        phrase = "an " if starts_with_vowel else dice.pick(["a", "a", "one", "the", "a single"]) + " "
    else:
        words.append(plural(noun))
        phrase = (NUMBERS[thing.count] if dice.chance(0.8) else dice.pick(["some", "several"])) + " "
    phrase += " ".join(words)
    if thing.kind == "house" and dice.chance(0.35):
        phrase += f" with a {color_word(dice, thing.roof)} roof"
    if thing.kind == "boat" and thing.color and dice.chance(0.12) and thing.count == 1:
        phrase = f"a boat with {color_word(dice, thing.color)} sails"
    if thing.count == 1 and dice.chance(place_probability):
        phrase += " " + dice.pick(PLACE_WORDS[thing.place])
    return phrase


def _color_words(dice: Dice, thing: Seen, probability: float) -> list[str]:
    if thing.is_colorful:
        words = ["colorful", "colourful", "rainbow colored"]
        return [dice.pick(words)] if dice.chance(0.8) else []
    # a colour that goes without saying (a green tree) is told now and then all the same
    if thing.color and dice.chance(probability if thing.is_named else 0.15):
        return [color_word(dice, thing.color)]
    return []


def _mountain_phrase(view: View, dice: Dice) -> str:
    """ "snowy blue mountains", "a purple mountain range"."""
    words = []
    if view.has_snowy_peaks and dice.chance(0.7):
        words.append(dice.pick(["snowy", "snow-capped", "snow capped"]))
    if view.mountains and dice.chance(0.88):
        words.append(color_word(dice, view.mountains))
    words.append(dice.pick(["mountains", "mountains", "mountains", "mountain range", "peaks"]))
    phrase = " ".join(words)
    return with_article(phrase) if words[-1] == "mountain range" else phrase


def _bare(phrase: str) -> str:
    """Without its article, as tags are written."""
    return phrase.removeprefix("a ").removeprefix("the ")
