"""template.yaml of a checkout: where it is, and whether parameters for it can be right."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from webui_async.contract.errors import CheckoutMissing, InvalidOption
from webui_async.deploy.spec_rules import closest

TEMPLATE = "template.yaml"
#: Of a bucket's 63 letters, without -{account}-{region} at its end.
_LONGEST_STACK = 35
_STACK = re.compile(rf"[a-z](?:[a-z0-9-]{{0,{_LONGEST_STACK - 2}}}[a-z0-9])?")


def find_checkout(folder: Path) -> Path:
    """The folder with our template.yaml: this one, or where the package lies when it is used from a checkout.

    Raises CheckoutMissing.
    """
    for place in (folder, Path(__file__).resolve().parents[2]):
        if (place / TEMPLATE).is_file() and (place / "lambda" / "build_zip.py").is_file():
            return place
    raise CheckoutMissing(
        f"there is no {TEMPLATE} of ours in {folder}: the stack is deployed from a checkout of the project. "
        "Go into one (git clone), then run the command again"
    )


def check_stack_name(stack: str) -> str:
    """The name. Raises InvalidOption for one that the bucket or the functions cannot be called after."""
    if not _STACK.fullmatch(stack):
        rule = f"it must be up to {_LONGEST_STACK} small letters, digits and dashes, a letter first"
        raise InvalidOption("--stack", stack, f"{rule}: the bucket is named after it")
    return stack


def read_parameters(pairs: Sequence[str], template: Path) -> dict[str, str]:
    """`Key=Value` of the command line, each held against the template. Raises InvalidOption."""
    declared = _declared(template)
    values: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InvalidOption("--parameter", pair, "it must be Key=Value")
        if name not in declared:
            rule = f"the template has no such parameter: {closest(name, declared)}"
            raise InvalidOption("--parameter", pair, rule)
        if rule := _broken_rule(declared[name], value):
            raise InvalidOption(f"--parameter {name}", value, rule)
        values[name] = value
    return values


def _declared(template: Path) -> dict[str, Any]:
    document = yaml.load(template.read_text(), Loader=_Loader)
    parameters: dict[str, Any] = document.get("Parameters") or {}
    return parameters


class _Loader(yaml.SafeLoader):
    """SafeLoader to which CloudFormation's short tags are nothing: parameters have none."""


_Loader.add_multi_constructor("!", lambda *_: None)


def _broken_rule(declared: Mapping[str, Any], value: str) -> str:
    """What the value must be and is not, as CloudFormation would say minutes later; empty when it is fine."""
    if "AllowedValues" in declared:
        allowed = [str(each) for each in declared["AllowedValues"]]
        return "" if value in allowed else f"it must be one of {', '.join(allowed)}"
    if declared.get("Type") == "Number":
        return _broken_bounds(declared, value)
    pattern = declared.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, value):
        return f"it must match {pattern}"
    return ""


def _broken_bounds(declared: Mapping[str, Any], value: str) -> str:
    low, high = declared.get("MinValue"), declared.get("MaxValue")
    try:
        number = float(value)
    except ValueError:
        return "it must be a number"
    if low is not None and number < low:
        return f"it must be {low} or more"
    if high is not None and number > high:
        return f"it must be {high} or less"
    return ""
