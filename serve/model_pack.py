"""The model pack as the container got it: what is wrong with it is said, a line for each thing."""

from __future__ import annotations

import logging
import stat
from collections.abc import Mapping
from pathlib import Path

from webui_async.contract import manifest
from webui_async.contract.errors import BadManifest, BadModelPack, ModelFileError
from webui_async.contract.manifest import Manifest, ManifestFile
from webui_async.model_files.folders import CHECKPOINTS
from webui_async.model_files.pack import Pack, read_pack

logger = logging.getLogger(__name__)

_WANTED = f"{CHECKPOINTS}/ with at least one whole .safetensors"
_SHOWN_FAULTS = 3


def open_pack(root: Path, engine_uid: int | None) -> Pack:
    """A pack with at least one checkpoint to draw with; what else is bad is in the log.

    engine_uid: the user who has to read the files; None when that is ourselves.
    Raises BadModelPack with the cause and the remedy.
    """
    pack = read_pack(root)
    if engine_uid is not None:
        _refuse_unreadable(pack)
    for name, right in pack.misnamed.items():
        logger.warning(
            "model pack: %s/ is not used; the webui knows only %s/, letter for letter", name, right
        )
    for error in pack.refused:
        logger.warning("model pack, not used: %s", error)
    if not pack.checkpoints:
        raise BadModelPack(f"the model pack {root} {_lack_of(pack)}")
    return pack


def read_manifest(root: Path) -> Mapping[str, ManifestFile]:
    """What the pack's manifest says of its files, by their places in the pack; empty without a good one."""
    try:
        pack = Manifest.from_bytes((root / manifest.NAME).read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, BadManifest) as error:
        logger.warning("model pack, its hashes are not known: %s", error)
        return {}
    return {file.path: file for file in pack.files if _size_of(root / file.path) == file.size_bytes}


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _refuse_unreadable(pack: Pack) -> None:
    """Files that root can read and the engine's user cannot are among the refused."""
    for file in list(pack.files):
        mode = stat.S_IMODE(file.path.stat().st_mode)
        if not mode & stat.S_IROTH:
            pack.files.remove(file)
            reason = f"has mode {mode:o}, so the engine may not read it: chmod a+r, and pack it again"
            pack.refused.append(ModelFileError(f"{file.folder}/{file.name}", reason))


def _lack_of(pack: Pack) -> str:
    """Why there is no checkpoint, and what to do."""
    if not pack.root.is_dir():
        return f"is not there: give the endpoint one that has {_WANTED}"
    if not any(pack.root.iterdir()):
        return f"is empty: give the endpoint one that has {_WANTED}"
    if refused := pack.refused_in(CHECKPOINTS):
        told = "; ".join(str(error) for error in refused[:_SHOWN_FAULTS])
        more = f"; and {len(refused) - _SHOWN_FAULTS} more" if len(refused) > _SHOWN_FAULTS else ""
        return f"has no good checkpoint: {told}{more}"
    if (pack.root / CHECKPOINTS).is_dir():
        return f"has no checkpoint: it must have {_WANTED}"
    return f"has no folder {CHECKPOINTS}/{_whereabouts(pack)}: it must have {_WANTED}"


def _whereabouts(pack: Pack) -> str:
    """What the missing folder is called instead, or where it lies."""
    for name, right in pack.misnamed.items():
        if right == CHECKPOINTS:
            return f", but {name}/: rename that"
    for folder in sorted(pack.root.iterdir()):
        if (folder / CHECKPOINTS).is_dir():
            inner = folder.name
            return f", but {inner}/{CHECKPOINTS}/: pack what is in {inner}/ and not the folder itself"
    return ""
