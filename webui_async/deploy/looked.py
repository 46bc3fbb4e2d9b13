"""What was looked up, or why it is not known: some facts only embellish a plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from webui_async.contract.errors import PipelineError
from webui_async.deploy.aws_errors import GO_ON

Value = TypeVar("Value")


@dataclass(frozen=True)
class Looked(Generic[Value]):
    """The value, or why there is none."""

    value: Value | None = None
    why: str = ""  #: empty where AWS answered: then None is its answer

    @property
    def is_known(self) -> bool:
        return not self.why


def looked(read: Callable[[], Value | None]) -> Looked[Value]:
    """What `read` gives. A refusal is a why, and stops nobody."""
    try:
        return Looked(read())
    except PipelineError as error:
        return Looked(why=str(error).removesuffix(f". {GO_ON}"))
