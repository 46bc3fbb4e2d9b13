"""`webui-async simulate` as one types it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from webui_async.cli import main

ROOT = Path(__file__).resolve().parents[3]
RATE = "at_s,jobs_per_s\n0,0.05\n7200,0.05\n"
TRACE = "arrival_s,drawing_s\n10,6\n"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rate.csv").write_text(RATE)
    Path("trace.csv").write_text(TRACE)
    Path("drawings.csv").write_text("drawing_s\n4\n9\n")


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["simulate", *words]) == 0
    return capsys.readouterr().out


def test_a_trace_is_told_in_lines_with_units(capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "--trace", "trace.csv", "--cold-start", "100", "--max", "1", "--usd-per-hour", "4")
    assert out.splitlines() == [
        "jobs               1 in 0.28 h",
        "wait until drawn   p50 3.5 min   p95 3.5 min   p99 3.5 min   max 3.5 min",
        "until the picture  p50 3.6 min   p95 3.6 min   p99 3.6 min   max 3.6 min",
        "instances          1 at most, 1 launches",
        "GPU hours          0.25, of which idle 99 %",
        "cost               1.00 USD, 1000.00 USD per 1,000 pictures",
    ]


def test_json_and_every_option_reach_the_simulation(capsys: pytest.CaptureFixture[str]) -> None:
    words = "--rate rate.csv --drawings drawings.csv --cold-start 60 --min 1 --max 3 --target 2 --max-jobs 4"
    words += " --overhead 1 --pickup 1 --pictures-per-job 2 --usd-per-hour 1 --json"
    read = json.loads(said(capsys, *words.split()))
    assert read["pictures"] == 2 * read["jobs"] and read["expired"] == 0
    assert read["wait"]["p50_s"] >= 1
    assert read["usd"] == pytest.approx(read["gpu_hours"]) and read["gpu_hours"] >= 2
    assert read["most_instances"] in (1, 2, 3)
    plain = json.loads(said(capsys, *words.replace("--target 2", "--target 100").split()))
    assert plain["launches"] == 1 <= read["launches"]


def test_one_seed_gives_the_same_numbers_again_and_another_one_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = "--rate rate.csv --drawing 6 --cold-start 60 --max 3 --json".split()
    assert said(capsys, *words, "--seed", "1") == said(capsys, *words, "--seed", "1")
    assert said(capsys, *words, "--seed", "1") != said(capsys, *words, "--seed", "2")


def test_the_target_is_max_jobs_unless_it_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    words = "--rate rate.csv --drawing 60 --cold-start 60 --max 3 --json --max-jobs 3".split()
    assert (
        said(capsys, *words) == said(capsys, *words, "--target", "3") != said(capsys, *words, "--target", "9")
    )


def test_a_plot_is_written_beside_the_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, *"--trace trace.csv --cold-start 60 --max 1 --plot out.png".split())
    assert out.startswith("jobs") and Path("out.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_a_plot_names_its_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)

    class Without:
        def find_spec(self, name: str, *_: object) -> None:
            if name.split(".")[0] == "matplotlib":
                raise ModuleNotFoundError(f"No module named {name!r}", name="matplotlib")

    monkeypatch.setattr(sys, "meta_path", [Without(), *sys.meta_path])
    assert main("simulate --trace trace.csv --cold-start 60 --max 1 --plot out.png".split()) == 1
    error = capsys.readouterr().err
    assert error.startswith("webui-async: matplotlib is not installed; --plot needs the extra `simulate`")
    assert main("simulate --trace trace.csv --cold-start 60 --max 1".split()) == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--cold-start -1", "--cold-start is -1.0; it must be from 0 to 86400 seconds"),
        ("--cold-start nan", "--cold-start is nan; it must be from 0 to 86400 seconds"),
        ("--max -1", "--max is -1; it must be from 0 to 1000"),
        ("--min 3", "--min is 3; it must not be more than --max, which is 2"),
        ("--max-jobs 0", "--max-jobs is 0; it must be from 1 to 1000"),
        ("--target 0", "--target is 0.0; it must be more than 0 jobs"),
        ("--target inf", "--target is inf; it must be more than 0 jobs"),
        ("--overhead -3", "--overhead is -3.0; it must be from 0"),
        ("--pickup inf", "--pickup is inf; it must be from 0"),
        ("--drawing -6", "--drawing is -6.0; it must be from 0"),
        ("--usd-per-hour -1", "--usd-per-hour is -1.0; it must be from 0 to 1e+06 USD"),
        ("--pictures-per-job 0", "--pictures-per-job is 0; it must be from 1"),
        ("--drawings none.csv", "none.csv cannot be read: No such file or directory"),
        ("--plot none/out.png", "none/out.png cannot be written: No such file or directory"),
    ],
)
def test_a_value_that_cannot_be_is_one_sentence_that_names_it(
    capsys: pytest.CaptureFixture[str], words: str, sentence: str
) -> None:
    given = ["simulate", "--trace", "trace.csv", "--cold-start", "60", "--max", "2", *words.split()]
    assert main(given) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"webui-async: {sentence}") and error.count("\n") == 1


def test_a_rate_curve_needs_drawing_times(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("simulate --rate rate.csv --cold-start 60 --max 2".split()) == 1
    assert "--drawing is null; a rate curve needs it" in capsys.readouterr().err


def test_a_line_of_a_file_that_is_no_number_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("trace.csv").write_text("arrival_s,drawing_s\n1,6\n2,six\n")
    assert main("simulate --trace trace.csv --cold-start 60 --max 2".split()) == 1
    assert 'line 3 of trace.csv: drawing_s is "six"' in capsys.readouterr().err


def test_the_documentation_shows_what_its_command_prints(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    page = Path("docs/simulate.md").read_text()
    command, _, shown = (
        page.partition("$ webui-async ")[2].partition("```")[0].partition("docs/images/simulation.png")
    )
    words = command.replace("\\\n", " ").split()
    assert words[0] == "simulate" and words[-1] == "--plot"
    assert main(words[:-1]) == 0
    assert capsys.readouterr().out == shown.partition("\n")[2]
    assert main([*words[:-1], "--min", "1"]) == 0
    warm = capsys.readouterr().out
    assert "`--min 1` costs 37.80 GPU hours" in page and "GPU hours          37.80" in warm
    assert "waits 4.7\nminutes instead of 8.9" in page and "p95 4.7 min" in warm
