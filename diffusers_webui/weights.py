"""Weight files into memory: safetensors, and pickles that hold nothing but weights.

A pickle is a program. torch's safe loader runs the few instructions that rebuild tensors and refuses the
rest unexecuted, so an evil file costs an error and nothing else.
"""

import logging
import pickle
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from diffusers_webui.errors import RefusedCheckpoint, UnreadableCheckpoint

log = logging.getLogger(__name__)

Weights = dict[str, torch.Tensor]

PICKLES = (".ckpt", ".pt")

#: all that torch's loader says of files that are broken, no pickles, or more than weights
_LOADER_ERRORS = (
    pickle.UnpicklingError,
    struct.error,
    RuntimeError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ImportError,
    OSError,
)


class _Forgotten:
    """Stands for a class that training tools leave beside the weights; what is in it is not looked at."""


_NUMPY_SCALAR = np.float64(0).__reduce__()[0]  # its module was renamed between numpy 1 and 2

#: what older Stable Diffusion files hold beside weights: training notes with numpy's numbers in them
_HARMLESS: list[Any] = [
    (_Forgotten, "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint"),
    (_NUMPY_SCALAR, "numpy.core.multiarray.scalar"),
    (_NUMPY_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(kind)) for kind in (np.float32, np.float64, np.int64)),
]


def read_weights(path: Path) -> Weights:
    """All tensors of a file.

    Raises UnreadableCheckpoint for broken safetensors, RefusedCheckpoint for a pickle that is broken or holds
    anything that could be executed.
    """
    if path.suffix in PICKLES:
        return _unpickled(path)
    try:
        weights: Weights = load_file(path)
    except SafetensorError as error:
        raise UnreadableCheckpoint(str(error)) from error
    return weights


def read_pickle(path: Path) -> dict[str, Any]:
    """What a pickle holds. Raises RefusedCheckpoint as read_weights does."""
    try:
        with torch.serialization.safe_globals(_HARMLESS), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an unusual pickle protocol: it is read or refused
            found = torch.load(path, map_location="cpu", weights_only=True)
    except _LOADER_ERRORS as error:
        log.error("%s is refused: %s", path, str(error).splitlines()[:1])
        raise RefusedCheckpoint from error
    if not isinstance(found, dict):
        log.error("%s is refused: it holds a %s instead of weights", path, type(found).__name__)
        raise RefusedCheckpoint
    return found


def _unpickled(path: Path) -> Weights:
    found = read_pickle(path)
    if isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    return {str(key): value for key, value in found.items() if isinstance(value, torch.Tensor)}
