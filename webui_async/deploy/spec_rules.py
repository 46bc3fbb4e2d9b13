"""What single fields of a spec may hold: images, packs, variables, tags. A refusal names field and value."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from webui_async.contract.errors import InvalidSpec, SettingsError
from webui_async.contract.settings import PREFIX, ServeSettings, read_settings

_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/"
    r"(?P<repository>[a-z0-9]+(?:[._/-][a-z0-9]+)*)(?::(?P<tag>[A-Za-z0-9_.-]{1,128})|@(?P<digest>sha256:[0-9a-f]{64}))"
)
_PACK = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<prefix>packs/[A-Za-z0-9][A-Za-z0-9_.-]{0,63}/[A-Za-z0-9_.-]+/)"
    r"(?P<archive>model\.tar\.gz)?"
)
_VARIABLE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
#: Settings of the container that the stack or a field of the spec says.
_SAID_BY = {
    "bucket": "the stack",
    "endpoint": "name",
    "max_jobs": "max_jobs",
    "drawing_timeout_s": "max_job_s",
    "startup_timeout_s": "startup_timeout_s",
    "instance_usd_per_hour": "usd_per_hour",
}
#: Of a Model's Environment. Source: SageMaker's service model.
_MAX_VARIABLES, _MAX_VALUE = 100, 1024
#: AWS takes 50 tags, and one of them is ours.
_MAX_TAGS = 49
_IMAGE_RULE = "it must be ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG, as build_and_push.sh prints it"
_PACK_RULE = (
    "it must be s3://BUCKET/packs/NAME/VERSION/ or s3://BUCKET/packs/NAME/VERSION/model.tar.gz, "
    "as the last line of `webui-async models push` says it"
)


@dataclass(frozen=True)
class Image:
    """An image of ECR's, taken apart."""

    account: str
    region: str
    repository: str
    tag: str | None
    digest: str | None


@dataclass(frozen=True)
class Pack:
    """One version of a model pack, taken apart."""

    bucket: str
    prefix: str  #: key under which it lies, with its slash
    is_archive: bool


def parse_image(uri: str) -> Image:
    """Raises InvalidSpec."""
    match = demanded(_IMAGE, "image", uri, _IMAGE_RULE)
    return Image(match["account"], match["region"], match["repository"], match["tag"], match["digest"])


def parse_pack(uri: str) -> Pack:
    """Raises InvalidSpec."""
    match = demanded(_PACK, "pack", uri, _PACK_RULE)
    return Pack(match["bucket"], match["prefix"], match["archive"] is not None)


def check_environment(environment: Mapping[str, str]) -> None:
    """Nothing when a container takes them, and has the settings that are among them."""
    count = len(environment) + len(_SAID_BY)
    demand(count <= _MAX_VARIABLES, "environment", count, f"a container takes {_MAX_VARIABLES} variables")
    for name, value in environment.items():
        place = f"environment.{name}"
        demand(_VARIABLE.fullmatch(name) is not None, place, value, "no variable can have that name")
        demand(len(value) <= _MAX_VALUE, place, value, f"it must be at most {_MAX_VALUE} characters")
        if name.startswith(PREFIX):
            _check_setting(name, place, value)


def check_tags(tags: Mapping[str, str]) -> None:
    """Nothing when AWS takes them beside ours."""
    demand(len(tags) <= _MAX_TAGS, "tags", len(tags), f"there may be {_MAX_TAGS}")
    for key, value in tags.items():
        place = f"tags.{key}"
        rule = "a tag's name is 1 to 128 letters, digits, spaces and _.:/=+-@, and does not begin with aws:"
        is_name = 1 <= len(key) <= 128 and _is_tag_text(key) and not key.lower().startswith("aws:")
        demand(is_name, place, value, rule)
        rule = "a tag's value is up to 256 letters, digits, spaces and _.:/=+-@"
        demand(len(value) <= 256 and _is_tag_text(value), place, value, rule)


def _is_tag_text(text: str) -> bool:
    """Source: SageMaker's service model, Tag."""
    return all(letter in "_.:/=+-@" or unicodedata.category(letter)[0] in "LZN" for letter in text)


def _check_setting(variable: str, place: str, value: str) -> None:
    """Nothing when the container has such a setting and can read the value."""
    name = variable.removeprefix(PREFIX).lower()
    fields = ServeSettings.__dataclass_fields__
    is_known = name in fields and variable == PREFIX + name.upper()
    demand(is_known, place, value, f"the container has no such setting: {closest(name, fields)}")
    demand(name not in _SAID_BY, place, value, f"say it with {_SAID_BY.get(name)}")
    needed = {PREFIX + "BUCKET": "b", PREFIX + "ENDPOINT": "e"}
    try:
        read_settings(ServeSettings, needed | {variable: value})
    except SettingsError as error:
        raise InvalidSpec(place, value, f"the container cannot read it: {error}") from error


def closest(name: str, known: Mapping[str, object]) -> str:
    """What was probably meant, or what there is."""
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def demand(is_good: bool, place: str, value: object, rule: str) -> None:
    if not is_good:
        raise InvalidSpec(place, value, rule)


def demanded(pattern: re.Pattern[str], place: str, value: str, rule: str) -> re.Match[str]:
    match = pattern.fullmatch(value)
    if match is None:
        raise InvalidSpec(place, value, rule)
    return match
