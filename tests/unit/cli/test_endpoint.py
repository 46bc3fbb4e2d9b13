"""`webui-async endpoint …`: words and flags -> one call into deploy/, printed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.deploy.conftest import house  # noqa: F401
from tests.unit.deploy.house import House
from tests.unit.deploy.made import OUTPUTS
from tests.unit.packager.random_trees import write_tree
from webui_async.cli import main
from webui_async.contract.errors import InvalidOption
from webui_async.deploy import clients


@pytest.fixture
def cli(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:  # noqa: F811
    """A house that the commands deploy into, with its clock."""
    monkeypatch.setattr(clients, "Aws", lambda: house)
    for module in ("delete", "endpoint"):
        monkeypatch.setattr(f"webui_async.deploy.{module}.Clock", lambda: house.clock)
    monkeypatch.setattr("time.time", lambda: house.now_s)
    yield house


def spec_flags(house: House) -> list[str]:  # noqa: F811
    return ["--stack", "house", "--image", house.image, "--pack", house.pack]


def test_plan_prints_the_calls_and_what_they_cost_and_changes_nothing(
    cli: House, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["endpoint", "plan", *spec_flags(cli), "--max-instances", "2", "--usd-per-hour", "1.25"]) == 0
    out = capsys.readouterr().out
    for told in (
        "create  sagemaker",
        "CreateEndpoint ",
        "1.25 USD an hour",
        "from zero to the first job, about",
    ):
        assert told in out
    assert cli.changes() == []


def test_apply_prints_the_plan_and_each_step_and_then_has_nothing_to_do(
    cli: House, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["endpoint", "apply", *spec_flags(cli)]) == 0
    out = capsys.readouterr().out
    assert "create  sagemaker" in out and "create endpoint painter" in out
    assert out.splitlines()[-1] == "endpoint painter is what the spec says"
    cli.asked.clear()
    assert main(["endpoint", "apply", *spec_flags(cli)]) == 0
    assert "nothing to do: endpoint painter is as it is to be" in capsys.readouterr().out
    assert cli.changes() == []


def test_apply_reads_a_file_and_flags_outweigh_it(cli: House, tmp_path: Path) -> None:
    file = tmp_path / "endpoint.yaml"
    file.write_text(f"stack: house\nimage: {cli.image}\npack: {cli.pack}\nmax_instances: 3\nmax_jobs: 4\n")
    flags = ["--spec", str(file), "--max-jobs", "5", "--tags", "team=art", "--tags", "cost=7"]
    assert main(["endpoint", "apply", *flags]) == 0
    tags = cli.client("sagemaker").list_tags(ResourceArn=cli.described["EndpointArn"])["Tags"]
    assert {"Key": "team", "Value": "art"} in tags and {"Key": "cost", "Value": "7"} in tags
    config = cli.client("sagemaker").describe_endpoint_config(
        EndpointConfigName=cli.described["EndpointConfigName"]
    )
    jobs = config["AsyncInferenceConfig"]["ClientConfig"]["MaxConcurrentInvocationsPerInstance"]
    assert jobs == 5


def test_the_image_is_the_newest_where_none_is_said(cli: House, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["endpoint", "plan", "--stack", "house", "--pack", cli.pack]) == 0
    assert f"image {cli.image.rpartition('/')[2]}" in capsys.readouterr().out


def test_apply_pushes_a_model_tree_and_uses_it(
    cli: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = write_tree(tmp_path / "sketches")
    assert main(["endpoint", "apply", "--stack", "house", "--models", str(tree)]) == 0
    bucket = OUTPUTS.bucket
    assert f"pack s3://{bucket}/packs/sketches/" in capsys.readouterr().out
    assert cli.described["EndpointStatus"] == "InService"


def test_a_pack_and_a_tree_to_make_one_of_are_refused_together(
    cli: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["endpoint", "apply", *spec_flags(cli), "--models", str(tmp_path)]) == 1
    assert "--models" in capsys.readouterr().err and cli.changes() == []


def test_apply_without_waiting_leaves_the_rest(cli: House, capsys: pytest.CaptureFixture[str]) -> None:
    cli.host()
    assert main(["endpoint", "apply", *spec_flags(cli), "--no-wait"]) == 0
    assert "calls are left: run apply again" in capsys.readouterr().out
    assert cli.described["EndpointStatus"] == "Creating"


def test_apply_that_is_interrupted_says_how_it_goes_on(
    cli: House, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.host()

    def interrupt() -> None:
        raise KeyboardInterrupt

    cli.while_waiting = interrupt
    assert main(["endpoint", "apply", *spec_flags(cli)]) == 130
    assert "Run the same command again: it goes on where it stopped" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["plan", "--stack", "house"], "webui-async: pack is null; say it with --pack"),
        (["plan", "--stack", "house", "--image", "x", "--pack", "y"], 'image is "x"; it must be ACCOUNT'),
        (["status", "--stack", "hut"], "there is no stack 'hut'"),
        (["status", "--stack", "house"], "there is no endpoint 'painter'"),
        (["scale", "--stack", "house", "--now", "1"], "there is no endpoint 'painter'"),
        (["logs", "--stack", "house", "--since", "soon"], '--since is "soon"; it must be like 15m'),
    ],
)
def test_what_is_wrong_is_one_sentence_and_status_1(
    cli: House, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert main(["endpoint", *words]) == 1
    err = capsys.readouterr().err
    assert told in err and len(err.splitlines()) == 1


def test_status_shows_the_endpoint_of_a_stack_or_of_a_name(
    cli: House, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["endpoint", "apply", *spec_flags(cli)])
    autoscaling = cli.client("application-autoscaling")

    class Quiet:
        def __getattr__(self, name: str) -> Any:
            return getattr(autoscaling, name)

        def describe_scaling_activities(self, **_: Any) -> dict[str, Any]:
            return {"ScalingActivities": []}

    cli.stubs["application-autoscaling"] = Quiet()
    capsys.readouterr()
    assert main(["endpoint", "status", "--stack", "house"]) == 0
    first = capsys.readouterr().out
    assert "painter  InService" in first
    assert main(["endpoint", "status", "--name", "painter"]) == 0
    assert capsys.readouterr().out == first


def test_logs_prints_what_is_young_enough(cli: House, capsys: pytest.CaptureFixture[str]) -> None:
    cli.put_log("old", at_s=cli.now_s - 1000)
    cli.put_log("young", at_s=cli.now_s - 10)
    assert main(["endpoint", "logs", "--stack", "house"]) == 0
    assert [line.split(" ")[-1] for line in capsys.readouterr().out.splitlines()] == ["young"]
    assert main(["endpoint", "logs", "--stack", "house", "--since", "2h"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_scale_changes_instances_and_says_when_there_is_nothing_to_do(
    cli: House, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["endpoint", "apply", *spec_flags(cli), "--max-instances", "3"])
    capsys.readouterr()
    assert main(["endpoint", "scale", "--stack", "house", "--now", "2", "--max", "4"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "change scaling of painter: 0 to 4 instances",
        "change endpoint painter: 1 -> 2 instances",
    ]
    assert cli.described["ProductionVariants"][0]["DesiredInstanceCount"] == 2
    assert main(["endpoint", "scale", "--stack", "house", "--now", "2"]) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_delete_takes_everything_away(cli: House, capsys: pytest.CaptureFixture[str]) -> None:
    main(["endpoint", "apply", *spec_flags(cli)])
    cli.put_log("drawing")
    assert main(["endpoint", "delete", "--stack", "house", "--logs"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "nothing of endpoint painter is left"
    assert not any(cli.listing().values())
    assert main(["endpoint", "logs", "--name", "painter", "--since", "1d"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 910), ("15m", 100), ("1970-01-01T00:10:00Z", 600)],
)
def test_since_is_an_age_or_a_time(text: str, seconds: float) -> None:
    from webui_async.cli.endpoint import _since

    assert _since(text, 1000.0) == seconds
    with pytest.raises(InvalidOption):
        _since("soon", 1000.0)
