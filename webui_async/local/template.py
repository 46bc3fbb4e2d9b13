"""`template.yaml` as plain CloudFormation: AWS's own SAM translator, run offline."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import yaml
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from webui_async.local.errors import TemplateError
from webui_async.local.intrinsics import Scope, names_in

#: Managed policies that SAM attaches by name.
_MANAGED_POLICIES = {
    name: f"arn:aws:iam::aws:policy/service-role/{name}"
    for name in ("AWSLambdaBasicExecutionRole", "AWSLambdaSQSQueueExecutionRole")
}


@dataclass(frozen=True)
class Resource:
    """One resource of the translated template; its properties still hold intrinsic functions."""

    name: str
    type: str
    properties: Mapping[str, Any]
    depends_on: frozenset[str]
    is_retained: bool = False  #: DeletionPolicy: it outlives its stack


@dataclass(frozen=True)
class Template:
    """A translated template, and the names it may use."""

    resources: Mapping[str, Resource]
    outputs: Mapping[str, Any]
    parameters: Mapping[str, Any]  #: the template's own, defaults included
    scope: Scope
    code_dirs: Mapping[str, Path]  #: function -> its CodeUri

    def in_order(self) -> Iterator[Resource]:
        """Every resource after those that it needs. Raises TemplateError on a cycle."""
        waiting = dict(self.resources)
        while waiting:
            ready = [name for name, one in waiting.items() if one.depends_on.isdisjoint(waiting)]
            if not ready:
                raise TemplateError(f"these resources need each other: {', '.join(sorted(waiting))}")
            for name in ready:
                yield waiting.pop(name)


def read_template(path: Path, parameters: Mapping[str, str], pseudo: Mapping[str, str]) -> Template:
    """The template at `path`, translated.

    parameters: the template's own; its defaults fill the rest.
    pseudo: `AWS::Region` and its like.
    Raises TemplateError that says what the template lacks or what SAM refuses.
    """
    document = load_yaml(path)
    code_dirs = _take_code_dirs(document, path.parent)
    values = _parameter_values(document, parameters)
    plain = _translate(document, values, pseudo["AWS::Region"])
    scope = Scope(values | dict(pseudo), plain.get("Conditions") or {}, plain.get("Mappings") or {})
    wanted = {
        name: body
        for name, body in plain["Resources"].items()
        if "Condition" not in body or scope.holds(body["Condition"])
    }
    resources = {name: _resource(name, body, plain["Resources"]) for name, body in wanted.items()}
    outputs = {
        name: body["Value"]
        for name, body in (plain.get("Outputs") or {}).items()
        if "Condition" not in body or scope.holds(body["Condition"])
    }
    return Template(resources, outputs, values, scope, code_dirs)


def load_yaml(path: Path) -> dict[str, Any]:
    """The template as written, with the short tags (`!Ref`) in their long form."""
    try:
        document = yaml.load(path.read_text(), Loader=_Loader)
    except OSError as error:
        raise TemplateError(f"cannot read the template {path}: {error}") from error
    except yaml.YAMLError as error:
        raise TemplateError(f"the template {path} is not YAML: {error}") from error
    if not isinstance(document, dict) or "Resources" not in document:
        raise TemplateError(f"the template {path} has no Resources")
    return document


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads CloudFormation's tags, and leaves 2012-10-17 the text it is."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, expression) for tag, expression in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _long_form(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _long_form)


def _take_code_dirs(document: dict[str, Any], base: Path) -> dict[str, Path]:
    """Where each function's code lies; the translator wants to see an S3 address in its place."""
    default = ((document.get("Globals") or {}).get("Function") or {}).pop("CodeUri", None)
    code_dirs = {}
    for name, body in document["Resources"].items():
        if body.get("Type") == "AWS::Serverless::Function":
            properties = body.setdefault("Properties", {})
            code_uri = properties.get("CodeUri", default)
            if not isinstance(code_uri, str):
                raise TemplateError(f"function {name} has the CodeUri {code_uri!r}; it must be a folder")
            code_dirs[name] = (base / code_uri).resolve()
            properties["CodeUri"] = f"s3://local/{name}"
    return code_dirs


def _parameter_values(document: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    declared = document.get("Parameters") or {}
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise TemplateError(
            f"the template has no parameter {unknown[0]!r}; it has {', '.join(sorted(declared))}"
        )
    values = {}
    for name, body in declared.items():
        if name not in given and "Default" not in body:
            raise TemplateError(f"the template's parameter {name} has no default: give it a value")
        value = given.get(name, body.get("Default"))
        if "AllowedValues" in body and str(value) not in map(str, body["AllowedValues"]):
            raise TemplateError(f"parameter {name} is {value!r}; it must be one of {body['AllowedValues']}")
        is_list = str(body.get("Type", "")).startswith(("List<", "CommaDelimitedList"))
        values[name] = [part.strip() for part in str(value).split(",")] if is_list else str(value)
    return values


#: AWS switches a few features of the translator on by region; without that list it warns about each.
logging.getLogger("samtranslator.feature_toggle.feature_toggle").setLevel(logging.ERROR)


def _translate(document: dict[str, Any], values: Mapping[str, Any], region: str) -> dict[str, Any]:
    translator = Translator(_MANAGED_POLICIES, Parser(), boto_session=boto3.Session(region_name=region))
    try:
        plain: dict[str, Any] = translator.translate(copy.deepcopy(document), dict(values))
    except InvalidDocumentException as error:
        causes = "; ".join(str(cause.message) for cause in error.causes)
        raise TemplateError(f"SAM refuses the template: {causes}") from error
    finally:
        translator.metrics.publish()  # to nobody; it complains at exit otherwise
    return plain


def _resource(name: str, body: Mapping[str, Any], resources: Mapping[str, Any]) -> Resource:
    properties = body.get("Properties") or {}
    declared = body.get("DependsOn") or []
    needed = {declared} if isinstance(declared, str) else set(declared)
    if absent := sorted(needed - set(resources)):
        raise TemplateError(f"{name} depends on {absent[0]}, which the template does not have")
    needed |= set(names_in(properties))
    is_retained = str(body.get("DeletionPolicy", "")).startswith("Retain")
    return Resource(name, body["Type"], properties, frozenset(needed & set(resources)), is_retained)
