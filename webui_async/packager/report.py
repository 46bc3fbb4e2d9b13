"""What a check found: every file with its verdict, as a table and as the members of a pack."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from webui_async.contract.errors import PackRefused
from webui_async.packager.hashes import OnBytes, hash_members
from webui_async.packager.members import Member

_COLUMNS = ("file", "family", "precision", "size", "hash", "verdict")
_SHOWN = 3


class Verdict(enum.StrEnum):
    """What becomes of a file. The later of two counts."""

    GOOD = "good"
    IGNORED = "ignored"  #: no model: left out
    WARNING = "warning"  #: part of the pack, and worth a look
    REFUSED = "refused"  #: keeps the whole folder from becoming a pack


@dataclass(frozen=True)
class Remark:
    """Something that was found about a file, or about a folder, whose path ends with `/`."""

    path: str
    verdict: Verdict
    reason: str  #: the rest of a sentence that begins with the path


@dataclass(frozen=True)
class Finding:
    """One line of the table."""

    path: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    member: Member | None = None  #: None for what cannot be part of a pack


@dataclass(frozen=True)
class Report:
    """Everything that was found, sorted by path."""

    root: Path
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, root: Path, members: Iterable[Member], remarks: Iterable[Remark]) -> Report:
        found = {member.path: Finding(member.path, Verdict.GOOD, (), member) for member in members}
        for remark in remarks:
            before = found.get(remark.path) or Finding(remark.path, remark.verdict)
            verdict = max(before.verdict, remark.verdict, key=list(Verdict).index)
            reasons = (*before.reasons, remark.reason)
            found[remark.path] = replace(before, verdict=verdict, reasons=reasons)
        return cls(root, tuple(found[path] for path in sorted(found)))

    @property
    def members(self) -> list[Member]:
        """What a pack is made of."""
        used = (Verdict.GOOD, Verdict.WARNING)
        return [found.member for found in self.findings if found.member and found.verdict in used]

    @property
    def refused(self) -> list[Finding]:
        return [found for found in self.findings if found.verdict is Verdict.REFUSED]

    @property
    def is_good(self) -> bool:
        """Whether the folder can become a pack."""
        return not self.refused

    def require_good(self) -> None:
        """Raises PackRefused, which names the first files and why."""
        if self.is_good:
            return
        told = "; ".join(f"{found.path} {found.reasons[0]}" for found in self.refused[:_SHOWN])
        more = f"; and {len(self.refused) - _SHOWN} more" if len(self.refused) > _SHOWN else ""
        raise PackRefused(printable(f"{self.root} cannot become a model pack: {told}{more}"))

    def hashed(self, on_bytes: OnBytes | None = None) -> Report:
        """The same with the hashes of every member. Raises FileChanged, ModelFileError."""
        by_path = {member.path: member for member in hash_members(self.members, on_bytes)}
        findings = (replace(found, member=by_path.get(found.path, found.member)) for found in self.findings)
        return Report(self.root, tuple(findings))

    def table(self) -> str:
        """Aligned plain text: a line for each file, and how many there are of each verdict."""
        rows = [_COLUMNS, *(_row(found) for found in self.findings)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS) - 1)]
        lines = (
            "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
            for row in rows
        )
        return "\n".join([*lines, "", self.summary])

    @property
    def summary(self) -> str:
        """`3 files to pack, 4.27 GB: 3 good, 1 ignored`."""
        members = self.members
        counts = {verdict: sum(found.verdict is verdict for found in self.findings) for verdict in Verdict}
        told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        size = readable_size(sum(member.size_bytes for member in members))
        return f"{len(members)} files to pack, {size}: {told or 'nothing found'}"


def printable(text: str) -> str:
    """The text with what a terminal would act on, or could not show, written as escapes."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "backslashreplace").decode()
        for letter in text
    )


def _row(found: Finding) -> Sequence[str]:
    member = found.member
    told = f"{found.verdict}: {'; '.join(found.reasons)}" if found.reasons else str(found.verdict)
    about = (
        (
            member.family or "",
            member.precision or "",
            readable_size(member.size_bytes),
            member.short_hash or "",
        )
        if member
        else ("", "", "", "")
    )
    return [printable(cell) for cell in (found.path, *about, told)]


def readable_size(size_bytes: int) -> str:
    """`2.13 GB`, as shops and S3 count."""
    size, units = float(size_bytes), ["B", "kB", "MB", "GB", "TB"]
    while size >= 999.5 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.3g} {units[0]}"
