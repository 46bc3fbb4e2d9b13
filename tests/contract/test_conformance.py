"""diffusers_webui against the recordings of the stock webui: the run of `make conformance`, as a test."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.conformance import replay
from tests.conformance.compare import differences
from tests.conformance.exchanges import GROUPS, Exchange, Names, read_group
from tests.conformance.own_engine import running_engine


def _recorded(name: str, names: Names) -> Exchange:
    groups = (*GROUPS, "running")
    return next(one for group in groups for one in read_group(group, names) if one.name == name)


def test_diffusers_webui_answers_as_recorded_but_for_the_written_differences(tmp_path: Path) -> None:
    with running_engine(tmp_path / "tree") as url:
        reports = list(replay.run(url, is_ours=True))
    wrong = [f"{one.name}: {what}" for one in reports if not one.is_good for what in one.differences]
    assert not wrong, "\n".join(wrong)
    assert [one.name for one in reports if one.is_stale] == []
    assert replay.written_differences().keys() <= {one.name for one in reports}
    assert not (tmp_path / "tree" / "executed").exists(), "a pickled checkpoint ran its code"


_WRONG_CLASS = {"error": "X", "detail": "", "body": "", "errors": ""}


@pytest.mark.parametrize(
    ("name", "answer", "expected"),
    [
        ("01_txt2img_minimal", httpx.Response(404, json={}), "status 404, recorded 200"),
        (
            "err/zero_steps",
            httpx.Response(500, json=_WRONG_CLASS),
            'error class: "X", recorded "ZeroDivision',
        ),
        ("13_memory", httpx.Response(200, json={"ram": {}}), 'keys of body: ["ram"]'),
        ("08_samplers", httpx.Response(200, json=[{"name": 1}]), 'type of body[0].name: "number"'),
        ("err/docs", httpx.Response(200, json={}), "content type"),
    ],
)
def test_an_answer_that_differs_is_told(name: str, answer: httpx.Response, expected: str) -> None:
    assert any(expected in difference for difference in differences(answer, _recorded(name, Names())))


def test_the_recordings_take_the_names_of_the_server_they_are_replayed_against() -> None:
    exchange = _recorded("ckpt/01_override_B_by_model_name", Names("one", "two", "three"))
    assert exchange.sent["override_settings"] == {"sd_model_checkpoint": "two"}
