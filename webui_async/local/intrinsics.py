"""CloudFormation's intrinsic functions, resolved to plain values.

Source: CloudFormation Template Reference, "Intrinsic functions" and "Pseudo parameters".
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from webui_async.local.errors import TemplateError

#: What an attribute is left out with.
NO_VALUE = object()
_VARIABLE = re.compile(r"\$\{(!?)([^}]+)\}")
_CONDITION_FUNCTIONS = ("Fn::Equals", "Fn::And", "Fn::Or", "Fn::Not", "Condition")


@dataclass(frozen=True)
class Made:
    """A resource that exists: what Ref gives, and what GetAtt gives."""

    ref: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Scope:
    """The names a template's functions may use."""

    parameters: Mapping[str, Any]  #: parameters and pseudo parameters
    conditions: Mapping[str, Any] = field(default_factory=dict)  #: not resolved yet
    mappings: Mapping[str, Any] = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)

    def resolve(self, value: Any) -> Any:
        """The value without intrinsic functions. Raises TemplateError that names what cannot be resolved."""
        if isinstance(value, Mapping):
            if len(value) == 1:
                name, argument = next(iter(value.items()))
                if name == "Ref" or name.startswith("Fn::"):
                    return self._call(name, argument)
            resolved = {key: self.resolve(item) for key, item in value.items()}
            return {key: item for key, item in resolved.items() if item is not NO_VALUE}
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not NO_VALUE]
        return value

    def holds(self, condition: str) -> bool:
        """Whether the named condition of the template is true."""
        if condition not in self.conditions:
            raise TemplateError(f"the template has no condition {condition!r}")
        return self._decide(self.conditions[condition])

    def _decide(self, expression: Any) -> bool:
        if isinstance(expression, Mapping) and len(expression) == 1:
            name, argument = next(iter(expression.items()))
            if name == "Condition":
                return self.holds(argument)
            if name == "Fn::Equals":
                left, right = (str(self.resolve(side)) for side in argument)
                return left == right
            if name == "Fn::Not":
                return not self._decide(argument[0])
            if name == "Fn::And":
                return all(map(self._decide, argument))
            if name == "Fn::Or":
                return any(map(self._decide, argument))
        raise TemplateError(
            f"a condition is {expression!r}; it must be one of {', '.join(_CONDITION_FUNCTIONS)}"
        )

    def _call(self, name: str, argument: Any) -> Any:
        functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::Join": lambda parts: str(parts[0]).join(map(str, self.resolve(parts[1]))),
            "Fn::Split": lambda parts: str(self.resolve(parts[1])).split(parts[0]),
            "Fn::Select": lambda parts: self.resolve(parts[1])[int(self.resolve(parts[0]))],
            "Fn::If": lambda parts: self.resolve(parts[1] if self.holds(parts[0]) else parts[2]),
            "Fn::FindInMap": self._find_in_map,
            "Fn::Base64": lambda text: base64.b64encode(str(self.resolve(text)).encode()).decode(),
        }
        if name in _CONDITION_FUNCTIONS:
            return self._decide({name: argument})
        if name not in functions:
            raise TemplateError(f"the template uses {name}, which the local stack does not know")
        return functions[name](argument)

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.parameters:
            return self.parameters[name]
        if name in self.made:
            return self.made[name].ref
        raise TemplateError(f"Ref {name}: there is no such parameter, nor a resource of that name")

    def _get_att(self, argument: Any) -> str:
        name, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
        if name not in self.made:
            raise TemplateError(f"GetAtt {name}.{attribute}: there is no such resource")
        attributes = self.made[name].attributes
        if attribute not in attributes:
            known = ", ".join(sorted(attributes)) or "none"
            raise TemplateError(f"GetAtt {name}.{attribute}: the local stack knows of {name}: {known}")
        return attributes[attribute]

    def _sub(self, argument: Any) -> str:
        text, variables = argument if isinstance(argument, list) else (argument, {})

        def replace(match: re.Match[str]) -> str:
            literal, name = match[1], match[2].strip()
            if literal:
                return "${" + match[2] + "}"
            if name in variables:
                return str(self.resolve(variables[name]))
            return str(self._get_att(name) if "." in name else self._ref(name))

        return _VARIABLE.sub(replace, text)

    def _find_in_map(self, argument: list[Any]) -> Any:
        table, first, second = (self.resolve(part) for part in argument[:3])
        try:
            return self.mappings[table][first][second]
        except KeyError as error:
            raise TemplateError(f"FindInMap {table}.{first}.{second}: there is no such entry") from error


def names_in(value: Any) -> Iterator[str]:
    """Every name that the value's functions refer to: parameters and resources alike."""
    if isinstance(value, list):
        for item in value:
            yield from names_in(item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key == "Ref" and isinstance(item, str):
                yield item
            elif key == "Fn::GetAtt":
                yield item[0] if isinstance(item, list) else item.split(".", 1)[0]
            elif key == "Fn::Sub":
                text, variables = item if isinstance(item, list) else (item, {})
                names = (match[2].strip() for match in _VARIABLE.finditer(text) if not match[1])
                yield from (name.split(".", 1)[0] for name in names if name not in variables)
                yield from names_in(variables)
            else:
                yield from names_in(item)
