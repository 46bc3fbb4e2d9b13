"""What instances print reaches CloudWatch Logs, a stream for each."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from webui_async.local.instance_logs import InstanceLog

GROUP = "/aws/sagemaker/Endpoints/sd"


def lines(logs: Any, stream: str, group: str = GROUP) -> list[str]:
    """The stream's messages; none while there is no such stream."""
    try:
        events = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in events]


def test_a_running_instances_lines_are_in_its_stream(world: Any, until: Any) -> None:
    world.host()
    world.create_endpoint(count=2)
    world.wait_for("InService")
    logs = world.account.client("logs")
    for stream in ("all/sd-1", "all/sd-2"):
        until(lambda stream=stream: lines(logs, stream) == ["listening"])
    world.draw({"say": "drew a star\nunfinished"})
    until(lambda: sorted(lines(logs, "all/sd-1") + lines(logs, "all/sd-2"))[0] == "drew a star")


def test_the_last_words_of_an_instance_are_there_when_its_endpoint_has_failed(world: Any) -> None:
    world.host()
    world.create_endpoint(environment={"FAKE_STARTS": "never"})
    world.wait_for("Failed")
    assert lines(world.account.client("logs"), "all/sd-3") == ["the checkpoint is corrupt"]


def test_the_rest_is_shipped_when_the_hosting_stops(world: Any) -> None:
    world.host()
    world.create_endpoint()
    world.draw({"say": "half a line"})
    world.hosting.stop()
    assert lines(world.account.client("logs"), "all/sd-1") == ["listening", "half a line"]


def test_an_endpoint_whose_role_may_not_write_logs_draws_without_them(
    world: Any, until: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "CreateLogGroup")

    monkeypatch.setattr(InstanceLog, "_open", refuse)
    world.host()
    world.create_endpoint()
    world.draw({})
    until(lambda: "does not reach CloudWatch Logs" in caplog.text)
    world.draw({"say": "more\n"})
    world.hosting.stop()
    assert caplog.text.count("does not reach CloudWatch Logs") == 1


@pytest.fixture
def logs() -> Any:
    with mock_aws():
        yield boto3.client("logs")


@pytest.fixture
def log(logs: Any, tmp_path: Path) -> InstanceLog:
    return InstanceLog(logs, GROUP, "gpu/sd-1", tmp_path / "log", time.time)


def test_every_line_is_shipped_once_and_whole(logs: Any, log: InstanceLog, tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert not log.has_more
    for text, shipped in (
        (b"one\ntw", ["one"]),
        (b"o\n\nthr", ["one", "two"]),
        (b"ee\n\xff\n", ["one", "two", "three", "\N{REPLACEMENT CHARACTER}"]),
    ):
        with path.open("ab") as file:
            file.write(text)
        log.ship(is_whole=False)
        assert lines(logs, "gpu/sd-1") == shipped
    assert not log.has_more
    path.write_bytes(path.read_bytes() + b"the end")
    assert log.has_more
    log.ship(is_whole=False)
    assert "the end" not in lines(logs, "gpu/sd-1")
    log.ship(is_whole=True)
    assert lines(logs, "gpu/sd-1")[-1] == "the end"
    assert not log.has_more


def test_a_call_holds_no_more_than_cloudwatch_takes(
    log: InstanceLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[dict[str, Any]]] = []
    monkeypatch.setattr(log._client, "put_log_events", lambda **call: calls.append(call["logEvents"]))
    text = [f"line {n}" for n in range(2500)] + ["x" * 300_000] * 5
    (tmp_path / "log").write_text("\n".join(text))
    log.ship(is_whole=True)
    assert sum(map(len, calls)) == len(text)
    for events in calls:
        assert len(events) <= 10_000
        assert sum(len(event["message"].encode()) + 26 for event in events) <= 1_048_576
    assert [event["message"] for events in calls for event in events][:2500] == text[:2500]


def test_a_stream_that_is_there_already_is_written_on(logs: Any, log: InstanceLog, tmp_path: Path) -> None:
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="gpu/sd-1")
    (tmp_path / "log").write_text("again\n")
    log.ship(is_whole=False)
    assert lines(logs, "gpu/sd-1") == ["again"]
