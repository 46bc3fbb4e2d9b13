"""What can go wrong with the stack of one machine."""

from __future__ import annotations

from webui_async.contract.errors import EndpointFailed as EndpointFailed
from webui_async.contract.errors import PipelineError


class TemplateError(PipelineError):
    """The template says something that the local stack cannot do."""

    code = "template_error"


class StackError(PipelineError):
    """A part of the local stack does not start, or has ended."""

    code = "local_stack"


class FunctionFailed(PipelineError):
    """A function did not give a result: it raised, it died, or it took too long."""

    code = "function_failed"

    def __init__(self, function: str, kind: str, message: str):
        super().__init__(f"{function}: {kind}: {message}")
        self.kind = kind  #: Lambda's errorType


class PackUnreadable(PipelineError):
    """A model pack cannot be brought from S3 to disk."""

    code = "pack_unreadable"


class PublishFailed(PipelineError):
    """A message did not reach its topic."""

    code = "publish_failed"
