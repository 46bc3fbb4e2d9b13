"""sha256 of weight files, remembered in the data folder by path, size and time of change."""

import hashlib
import json
import os
import struct
from pathlib import Path


class HashCache:
    """Hashes that outlive the process: a checkpoint of 2 GB takes 6 s to read through."""

    def __init__(self, folder: Path):
        self._file = folder / "diffusers_webui_hashes.json"
        self._known: dict[str, str] = {}
        if self._file.exists():
            try:
                self._known = dict(json.loads(self._file.read_text(encoding="utf-8")))
            except (ValueError, OSError):  # a cache that cannot be read is an empty one
                self._known = {}

    def known(self, path: Path, weights_only: bool = False) -> str | None:
        """The hash if it was computed before for this very file."""
        return self._known.get(_mark(path, weights_only))

    def sha256(self, path: Path, weights_only: bool = False) -> str:
        """The hash as hex. weights_only leaves the safetensors header out, as the stock webui does for LoRA.

        Source: stable-diffusion-webui modules/hashes.py, addnet_hash_safetensors.
        """
        found = self.known(path, weights_only)
        if found is None:
            found = _read_through(path, weights_only)
            self._known[_mark(path, weights_only)] = found
            self._save()
        return found

    def _save(self) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            part = self._file.with_suffix(".part")
            part.write_text(json.dumps(self._known), encoding="utf-8")
            os.replace(part, self._file)
        except OSError:  # a data folder that cannot be written only costs the next start some seconds
            pass


def _mark(path: Path, weights_only: bool) -> str:
    stat = path.stat()
    return f"{path}|{stat.st_size}|{stat.st_mtime_ns}|{'weights' if weights_only else 'file'}"


def _read_through(path: Path, weights_only: bool) -> str:
    with path.open("rb") as file:
        if weights_only:
            head = file.read(8)
            file.seek(8 + struct.unpack("<Q", head)[0] if len(head) == 8 else 0)
        return hashlib.file_digest(file, "sha256").hexdigest()
