"""IAM policy documents: may this caller do this to that? Pure.

Source: IAM User Guide, "Policy evaluation logic" and "IAM JSON policy elements".
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from webui_async.local.errors import TemplateError

Document = Mapping[str, Any]


class Verdict(enum.Enum):
    """What some policies say of a call."""

    ALLOWED = "allowed"
    DENIED = "denied"  #: an explicit Deny; no Allow outweighs it
    SILENT = "silent"  #: nothing matches, which is a refusal unless another policy allows


@dataclass(frozen=True)
class Principal:
    """Who calls, as resource policies name callers."""

    kind: str  #: AWS or Service
    name: str  #: an ARN, or a service such as s3.amazonaws.com

    def names(self) -> set[str]:
        """Every text by which a policy may mean this caller."""
        account = self.name.split(":")[4] if self.kind == "AWS" and self.name.count(":") >= 5 else ""
        return {"*", self.name} | ({account, f"arn:aws:iam::{account}:root"} if account else set())


@dataclass(frozen=True)
class Call:
    """One thing somebody wants to do."""

    action: str  #: service:Operation
    resource: str  #: an ARN, or * where the operation has no resource
    context: Mapping[str, str] = field(
        default_factory=dict
    )  #: condition key -> value; a key not known is absent


def judge(documents: Iterable[Document], call: Call, principal: Principal | None = None) -> Verdict:
    """What the documents together say of the call.

    principal: the caller, when the documents are a resource's; identity policies have no Principal.
    Raises TemplateError for an element or operator that this evaluator does not know.
    """
    verdict = Verdict.SILENT
    for document in documents:
        for statement in _listed(document.get("Statement")):
            if not _matches(statement, call, principal):
                continue
            if statement.get("Effect") == "Deny":
                return Verdict.DENIED
            verdict = Verdict.ALLOWED
    return verdict


def _matches(statement: Mapping[str, Any], call: Call, principal: Principal | None) -> bool:
    return (
        _is_principal(statement, principal)
        and _is_named(statement, "Action", call.action.lower(), str.lower)
        and _is_named(statement, "Resource", call.resource, str)
        and all(
            _condition_holds(operator, str(key), _listed(values), call.context)
            for operator, table in (statement.get("Condition") or {}).items()
            for key, values in table.items()
        )
    )


def _is_principal(statement: Mapping[str, Any], principal: Principal | None) -> bool:
    if "NotPrincipal" in statement:
        raise TemplateError(
            "a policy has NotPrincipal, which the local stack cannot evaluate; name principals"
        )
    if principal is None or "Principal" not in statement:
        return principal is None
    named = statement["Principal"]
    if named == "*":
        return True
    return any(text in principal.names() for text in _listed(named.get(principal.kind)))


def _is_named(statement: Mapping[str, Any], element: str, value: str, shaped: Callable[[str], str]) -> bool:
    if f"Not{element}" in statement:
        return not any(_is_like(shaped(text), value) for text in _listed(statement[f"Not{element}"]))
    if element == "Resource" and element not in statement:  # a role's trust policy has none
        return True
    return any(_is_like(shaped(text), value) for text in _listed(statement.get(element)))


#: Operator -> does the call's value satisfy one value of the policy? Negated ones are built from these.
_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda wanted, value: wanted == value,
    "StringEqualsIgnoreCase": lambda wanted, value: wanted.lower() == value.lower(),
    "StringLike": lambda wanted, value: _is_like(wanted, value),
    "ArnEquals": lambda wanted, value: _is_like(wanted, value),
    "ArnLike": lambda wanted, value: _is_like(wanted, value),
    "Bool": lambda wanted, value: wanted.lower() == value.lower(),
    "NumericEquals": lambda wanted, value: float(value) == float(wanted),
    "NumericLessThan": lambda wanted, value: float(value) < float(wanted),
    "NumericLessThanEquals": lambda wanted, value: float(value) <= float(wanted),
    "NumericGreaterThan": lambda wanted, value: float(value) > float(wanted),
    "NumericGreaterThanEquals": lambda wanted, value: float(value) >= float(wanted),
}
_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
}


def _condition_holds(operator: str, key: str, wanted: list[Any], context: Mapping[str, str]) -> bool:
    value = next((text for name, text in context.items() if name.lower() == key.lower()), None)
    texts = [_text(item) for item in wanted]
    if operator == "Null":
        return any((text == "true") == (value is None) for text in texts)
    name = operator.removesuffix("IfExists")
    positive = _NEGATED.get(name, name)
    if positive not in _OPERATORS:
        raise TemplateError(
            f"a policy has the condition operator {operator}, which the local stack cannot evaluate"
        )
    if value is None:
        return name != operator or name in _NEGATED
    return any(_OPERATORS[positive](text, value) for text in texts) != (name in _NEGATED)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _is_like(pattern: str, value: str) -> bool:
    return _expression(pattern).fullmatch(value) is not None


@functools.lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    escaped = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(escaped, re.DOTALL)
