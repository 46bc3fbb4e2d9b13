from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.packager.checked_trees import good_tree, put
from webui_async.contract.errors import PackRefused
from webui_async.packager.check import check_tree
from webui_async.packager.report import Remark, Report, Verdict, printable


def test_the_table_is_aligned_and_ends_with_the_sum(tmp_path: Path) -> None:
    put(good_tree(tmp_path) / "Lora" / "notes.md")
    lines = check_tree(tmp_path, hashes=True).table().splitlines()
    assert lines[0].split() == ["file", "family", "precision", "size", "hash", "verdict"]
    row = next(line for line in lines if line.startswith("Stable-diffusion/photo.safetensors"))
    assert row.split()[1:5] == ["SD1", "fp16", "529", "kB"] and row.split()[-1] == "good"
    assert {line.index("good") for line in lines if line.endswith("  good")} == {lines[0].index("verdict")}
    assert lines[-2:] == ["", "4 files to pack, 538 kB: 4 good, 1 ignored"]


def test_hashes_are_shown_only_where_they_were_asked_for(tmp_path: Path) -> None:
    good_tree(tmp_path)
    assert {member.short_hash for member in check_tree(tmp_path).members} == {None}
    hashed = check_tree(tmp_path, hashes=True)
    assert all(member.sha256 for member in hashed.members)
    assert next(m.short_hash or "-" for m in hashed.members if m.family) in hashed.table()


def test_the_worst_verdict_counts_and_every_reason_is_kept(tmp_path: Path) -> None:
    remarks = [
        Remark("Lora/a", Verdict.WARNING, "is odd"),
        Remark("Lora/a", Verdict.REFUSED, "is bad"),
        Remark("Lora/a", Verdict.IGNORED, "is small"),
    ]
    (found,) = Report.of(tmp_path, [], remarks).findings
    assert found.verdict is Verdict.REFUSED and found.reasons == ("is odd", "is bad", "is small")


def test_a_refused_tree_says_what_and_why(tmp_path: Path) -> None:
    for number in range(5):
        put(good_tree(tmp_path) / "Lora" / f"{number}.safetensors", b"")
    report = check_tree(tmp_path)
    with pytest.raises(PackRefused) as caught:
        report.require_good()
    assert "cannot become a model pack: Lora/0.safetensors is empty" in str(caught.value)
    assert str(caught.value).endswith("; and 2 more")


def test_a_good_tree_needs_no_more() -> None:
    Report(Path("/models"), ()).require_good()


def test_what_a_terminal_would_act_on_is_written_as_escapes() -> None:
    assert printable("a\x1b[2Jb\n\udcffé") == "a\\x1b[2Jb\\n\\udcffé"
