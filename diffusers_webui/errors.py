"""Every error of this server: one root, and how the stock webui spells each cause.

The stock webui answers any exception with `{"error": class name, "detail", "body", "errors": message}`, so
each class here carries the class name a client of the stock webui would see.
Source: stable-diffusion-webui modules/api/api.py, api_middleware.
"""

from typing import Any, ClassVar


class WebuiError(Exception):
    """Something this server refuses or could not do."""

    #: the exception class that the stock webui would name in `error`
    stock_class: ClassVar[str] = "RuntimeError"
    http_status: ClassVar[int] = 500


class CannotStart(WebuiError):
    """The process cannot begin to serve (a flag, a taken port)."""


class NoCheckpoints(WebuiError):
    """There is no checkpoint file in the checkpoint folder."""

    stock_class = "FileNotFoundError"

    def __init__(self, folder: str):
        super().__init__(
            f"No checkpoints found. When searching for checkpoints, looked at:\n - directory {folder}"
            "Can't run without a checkpoint. Find and place a .ckpt or .safetensors file into any of "
            "those locations."
        )


class UnknownCheckpoint(WebuiError):
    """POST /options names a checkpoint that is not on disk."""

    def __init__(self, name: object):
        super().__init__(f"model {name!r} not found")


class UnreadableCheckpoint(WebuiError):
    """The checkpoint is not a complete safetensors file."""

    stock_class = "SafetensorError"


class RefusedCheckpoint(WebuiError):
    """The checkpoint is a broken pickle, or one that holds more than weights. The log says which.

    The stock webui's safe unpickler gives None for a bad pickle, and the next line fails with this class.
    """

    stock_class = "AttributeError"

    def __init__(self) -> None:
        super().__init__("'NoneType' object has no attribute 'pop'")


class UnfitCheckpoint(WebuiError):
    """The weights, or the yaml beside them, do not describe a model that this server can build."""


class MissingTokenizer(WebuiError):
    """No CLIP tokenizer was found for the checkpoint."""

    stock_class = "OSError"


class UnknownOption(WebuiError):
    """An option that the webui does not have."""

    stock_class = "KeyError"

    def __init__(self, key: object):
        super().__init__(repr(key))  # str(KeyError("x")) has the quotes too


class BrokenOption(WebuiError):
    """An option was set to a value of another type, and the option list can no longer be given."""

    stock_class = "ValidationError"

    def __init__(self, key: str, expected: str, kind: str):
        super().__init__(f"1 validation error for Options\nresponse -> {key}\n  {expected} (type={kind})")


class MissingPrompt(WebuiError):
    """The prompt is null."""

    stock_class = "AssertionError"

    def __init__(self) -> None:
        super().__init__("")


class BadPicture(WebuiError):
    """A picture that decodes from base64 but cannot be read whole."""

    stock_class = "OSError"


class EmptyBatch(WebuiError):
    """batch_size or n_iter is below one."""

    stock_class = "IndexError"

    def __init__(self) -> None:
        super().__init__("list index out of range")


class NoSteps(WebuiError):
    """steps is 0."""

    stock_class = "ZeroDivisionError"

    def __init__(self) -> None:
        super().__init__("integer division or modulo by zero")


class ImpossibleDrawing(WebuiError):
    """Steps, sizes or seeds that no tensor can have."""


class OutOfMemory(WebuiError):
    """The drawing would need more memory than this machine has free."""

    def __init__(self, needed_bytes: int):
        super().__init__(
            "[enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory: "
            f"you tried to allocate {needed_bytes} bytes."
        )


class NotANumber(WebuiError):
    """The model drew only NaN."""

    stock_class = "NansException"

    def __init__(self) -> None:
        super().__init__("A tensor with NaNs was produced in Unet.")


class UnknownUpscaler(WebuiError):
    """No upscaler has this name."""

    stock_class = "AssertionError"

    def __init__(self, name: str):
        super().__init__(f"could not find upscaler named {name}")


class UnknownHiresUpscaler(WebuiError):
    """hr_upscaler names nothing that is there."""

    stock_class = "Exception"

    def __init__(self, name: str):
        super().__init__(f"could not find upscaler named {name}")


class MissingStrength(WebuiError):
    """enable_hr without denoising_strength."""

    stock_class = "TypeError"

    def __init__(self) -> None:
        super().__init__("'<' not supported between instances of 'float' and 'NoneType'")


class MissingHelper(WebuiError):
    """refiner_checkpoint or hr_checkpoint_name names a checkpoint that is not on disk."""

    stock_class = "Exception"

    def __init__(self, name: str):
        super().__init__(f"Could not find checkpoint with name {name}")


class BadStrength(WebuiError):
    """denoising_strength is outside 0 to 1."""

    stock_class = "AssertionError"

    def __init__(self) -> None:
        super().__init__("can only work with strength in [0.0, 1.0]")


class HttpRefusal(WebuiError):
    """What the stock webui raises as HTTPException: the message stands in `detail`, not in `errors`."""

    stock_class = "HTTPException"

    def __init__(self, status: int, detail: str):
        super().__init__(detail)
        self.status, self.detail = status, detail


class InvalidBody(WebuiError):
    """The body does not fit the route's fields. problems: pydantic 1's list of `{loc, msg, type}`."""

    http_status = 422

    def __init__(self, problems: list[dict[str, Any]]):
        super().__init__("the body does not fit the route's fields")
        self.problems = problems


class Misfit(WebuiError):
    """A value does not fit its field; args: message, type, and pydantic's ctx where it gives one."""


class Stopped(WebuiError):
    """Interrupt or skip came: the drawing ends with what it has."""


def answer_of(error: Exception) -> tuple[int, dict[str, Any]]:
    """Status and body with which the stock webui answers an exception, ours or anybody's."""
    if isinstance(error, InvalidBody):
        return error.http_status, {"detail": error.problems}
    if isinstance(error, HttpRefusal):
        return error.status, {"error": error.stock_class, "detail": error.detail, "body": "", "errors": ""}
    if isinstance(error, WebuiError):
        return error.http_status, _body(error.stock_class, str(error))
    return 500, _body(type(error).__name__, str(error))


def _body(stock_class: str, message: str) -> dict[str, Any]:
    return {"error": stock_class, "detail": "", "body": "", "errors": message}
