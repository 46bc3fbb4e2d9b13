"""What a pickle would do. An endpoint uses none of them, and says so here before anything is pushed."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

from picklescan.scanner import SafetyLevel, ScanResult, scan_file_path

from webui_async.model_files.headers import saved_instead

_SHOWN = 3
#: What hostile or cut bytes make the scanner and the modules below it raise.
_UNREADABLE = (
    ArithmeticError, EOFError, ImportError, LookupError, OSError, RuntimeError, TypeError, ValueError,
    struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def fault_of_pickle(path: Path) -> str:
    """Why a pickle is no part of a pack, as the rest of a sentence that begins with its name.

    Nothing of it is loaded.
    """
    try:
        with path.open("rb") as file:
            if fault := saved_instead(file.read(512)):
                return fault
        result = scan_file_path(str(path))
    except _UNREADABLE as error:
        return f"is a pickle that cannot be scanned ({type(error).__name__}): fetch it as safetensors"
    if called := _dangerous(result):
        more = f" and {len(called) - _SHOWN} more" if len(called) > _SHOWN else ""
        return f"is a pickle that would call {', '.join(called[:_SHOWN])}{more} when it is loaded: delete it"
    if result.scan_err or not result.globals:
        return "is a pickle by its name, and not in its bytes: fetch it again, as safetensors"
    return (
        "is a pickle, and endpoints use none, since loading one can run code: convert it to safetensors "
        "(a scan found no such code in it)"
    )


def _dangerous(result: ScanResult) -> list[str]:
    found = (entry for entry in result.globals if entry.safety is SafetyLevel.Dangerous)
    return sorted(f"{entry.module}.{entry.name}" for entry in found)
