"""Each file's SHA-256, and the short hash by which the webui and its users know it.

Sources: stable-diffusion-webui v1.10.1 modules/hashes.py (AutoV2: sha256; for LoRAs, without the header),
extensions-builtin/Lora/network.py (what `Lora hashes` in a picture's parameters shows), and model_hash of
modules/sd_models.py, which the ControlNet extension still shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from webui_async.contract.errors import FileChanged
from webui_async.model_files.families import ModelType
from webui_async.packager.members import Member, ended_early, open_unchanged, reading

OnBytes = Callable[[int], None]

_AUTO_V2_DIGITS, _LORA_DIGITS, _CONTROLNET_DIGITS = 10, 12, 8
#: The part of a file that the webui's oldest hash is made of.
_OLD_HASH_SPAN = (0x100000, 0x110000)
#: SHA-256 keeps one core busy, so more at a time only pay where there are more cores.
_AT_A_TIME = 2
#: Fits a core's own cache.
_READ_BYTES = 1 << 20


class MemberHasher:
    """Fed a member's bytes in order, it gives the member with its hashes."""

    def __init__(self, member: Member):
        self._member = member
        self._whole = hashlib.sha256()
        self._part = _part_of(member)
        self._at = 0

    def update(self, pieces: Iterable[memoryview]) -> None:
        for piece in pieces:
            self._whole.update(piece)
            if self._part is not None:
                self._part.update(piece, self._at)
            self._at += len(piece)

    def finish(self) -> Member:
        """Raises FileChanged when the member had another SHA-256 before."""
        sha256 = self._whole.hexdigest()
        if self._member.sha256 not in (None, sha256):
            raise FileChanged(self._member.path, "holds something else than when it was hashed")
        return replace(self._member, sha256=sha256, short_hash=self._short_hash(sha256))

    def _short_hash(self, sha256: str) -> str | None:
        if self._member.type is ModelType.LORA:
            return (self._member.noted_hash or self._digest_of_part())[:_LORA_DIGITS]
        if self._member.type is ModelType.CONTROLNET:
            return self._digest_of_part()[:_CONTROLNET_DIGITS]
        return sha256[:_AUTO_V2_DIGITS] if self._member.type else None

    def _digest_of_part(self) -> str:
        assert self._part is not None
        return self._part.hexdigest()


class _PartHash:
    """The SHA-256 of the bytes from `begin` up to `end`; of a safetensors file's weights without those."""

    def __init__(self, begin: int | None = None, end: int | None = None):
        self._begin, self._end = begin, end
        self._hash = hashlib.sha256()

    def update(self, piece: memoryview, at: int) -> None:
        """at: where in the file the piece begins."""
        if self._begin is None:  # the file begins with its header's length
            self._begin = 8 + int.from_bytes(piece[:8], "little")
        end = None if self._end is None else max(self._end - at, 0)
        self._hash.update(piece[max(self._begin - at, 0) : end])

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def _part_of(member: Member) -> _PartHash | None:
    if member.type is ModelType.CONTROLNET:
        return _PartHash(*_OLD_HASH_SPAN)
    if member.type is ModelType.LORA and not member.noted_hash:
        return _PartHash()
    return None


def hash_members(members: Sequence[Member], on_bytes: OnBytes | None = None) -> list[Member]:
    """The same members, in the same order, with their hashes; files are read two at a time.

    Raises FileChanged, ModelFileError.
    """
    largest_first = sorted(members, key=lambda member: -member.size_bytes)
    with ThreadPoolExecutor(_AT_A_TIME, "hash") as pool:
        hashed = pool.map(lambda member: _hash(member, on_bytes), largest_first)
        by_path = {member.path: member for member in hashed}
    return [by_path[member.path] for member in members]


def _hash(member: Member, on_bytes: OnBytes | None) -> Member:
    hasher, buffer, left = MemberHasher(member), memoryview(bytearray(_READ_BYTES)), member.size_bytes
    with open_unchanged(member) as file:
        while left:
            with reading(member):
                count = file.readinto(buffer[:left])
            if not count:
                raise ended_early(member)
            hasher.update((buffer[:count],))
            left -= count
            if on_bytes:
                on_bytes(count)
    return hasher.finish()
