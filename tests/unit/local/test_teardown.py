"""local/teardown.py: a deleted stack takes away what its template made, and says what it could not."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.local.test_cloud import NOBODY, written
from webui_async.local.cloud import Cloud
from webui_async.local.control_plane import ControlPlane
from webui_async.local.deployed import MadeResource
from webui_async.local.deployment import MAKERS, deploy_template
from webui_async.local.teardown import REMOVERS, WITHOUT_TRACE, StackWatch, remove_all

TEMPLATE = Path(__file__).resolve().parents[3] / "template.yaml"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    plane = ControlPlane.start(tmp_path_factory.mktemp("plane"))
    yield plane
    plane.stop()


def listed(plane: ControlPlane) -> dict[str, list[Any]]:
    """What the control plane holds, by service, for a template that was made on it."""
    client = plane.client
    return {
        "s3": client("s3").list_buckets()["Buckets"],
        "sqs": client("sqs").list_queues().get("QueueUrls", []),
        "sns": client("sns").list_topics()["Topics"],
        "subscriptions": client("sns").list_subscriptions()["Subscriptions"],
        "iam": client("iam").list_roles()["Roles"],
        "secrets": client("secretsmanager").list_secrets(IncludePlannedDeletion=True)["SecretList"],
        "logs": client("logs").describe_log_groups()["logGroups"],
        "alarms": client("cloudwatch").describe_alarms()["MetricAlarms"],
        "keys": client("apigateway").get_api_keys()["items"],
    }


def test_every_maker_has_its_opposite() -> None:
    assert set(MAKERS) == set(REMOVERS) | WITHOUT_TRACE and not set(REMOVERS) & WITHOUT_TRACE


def test_nothing_of_the_real_template_is_left_but_its_bucket(plane: ControlPlane) -> None:
    deployed = deploy_template(plane, TEMPLATE, {}, "whole")
    assert all(listed(plane).values()), "there is something of each service to take away"

    assert remove_all(plane, deployed.resources) == []

    left = listed(plane)
    (bucket,) = left.pop("s3")
    assert bucket["Name"] == deployed.outputs["BucketName"]
    assert not any(left.values()), left
    with pytest.raises(plane.client("s3").exceptions.ClientError, match="NoSuchBucketPolicy"):
        plane.client("s3").get_bucket_policy(Bucket=bucket["Name"])
    assert remove_all(plane, deployed.resources) == [], "what is gone already is no trouble"


def test_what_cannot_be_removed_is_named_and_the_rest_goes(
    plane: ControlPlane, caplog: pytest.LogCaptureFixture
) -> None:
    s3, sns = plane.client("s3"), plane.client("sns")
    s3.create_bucket(Bucket="full", CreateBucketConfiguration={"LocationConstraint": plane.region})
    s3.put_object(Bucket="full", Key="left", Body=b"")
    topic = sns.create_topic(Name="news")["TopicArn"]
    made = [
        MadeResource("News", "AWS::SNS::Topic", topic),
        MadeResource("Pictures", "AWS::S3::Bucket", "full"),
    ]

    with caplog.at_level(logging.ERROR):
        assert remove_all(plane, made) == ["Pictures"]

    assert "Pictures (AWS::S3::Bucket) cannot be removed" in caplog.text
    assert sns.list_topics()["Topics"] == []


def eventually(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_control_plane_knows_the_stack_and_deleting_it_ends_everything(tmp_path: Path) -> None:
    cloud = Cloud.start(tmp_path)
    try:
        cloud.deploy(written(tmp_path, lambda template: None), {"Quota": "7"}, NOBODY, stack="small")
        cloudformation = cloud.client("cloudformation")
        (stack,) = cloudformation.describe_stacks(StackName="small")["Stacks"]
        outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
        assert outputs == cloud.deployed.outputs
        assert stack["Parameters"] == [{"ParameterKey": "Quota", "ParameterValue": "7"}]
        key = cloud.client("apigateway").get_api_key(apiKey=cloud.api_key.id, includeValue=True)
        assert key["value"] == cloud.api_key.value
        pids = cloud.function_pids("Front") + cloud.function_pids("Back")

        cloudformation.delete_stack(StackName="small")

        eventually(lambda: not any(rest for name, rest in listed(cloud.plane).items() if name != "s3"))
        assert pids and not any(Path(f"/proc/{pid}").exists() for pid in pids)
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{cloud.api_url}/health", trust_env=False)
    finally:
        cloud.stop()


def test_a_control_plane_that_does_not_answer_is_no_deleted_stack(tmp_path: Path) -> None:
    plane = ControlPlane.start(tmp_path)
    plane.stop()
    watch = StackWatch(plane, "arn:aws:cloudformation:eu-central-1:123456789012:stack/small/1", lambda: None)

    assert not watch.is_deleted()
