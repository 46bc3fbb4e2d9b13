"""The alarms of template.yaml against what can make them ring: metrics of complete's and of AWS's own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.session import get_session
from handlers import metrics

from tests.contract.translated import PATH, of_type, translated
from webui_async.contract.job import Metrics, Result, Status
from webui_async.local.template import load_yaml

DOCS = PATH.parent / "docs" / "alarms.md"
ENDPOINT = {"Ref": "EndpointName"}
#: Metrics of AWS's own that an alarm may name: namespace -> name -> its dimension.
#: Source: SageMaker's and SQS's pages of CloudWatch metrics.
AWS_METRICS = {
    "AWS/SageMaker": {"ApproximateAgeOfOldestRequest": "EndpointName"},
    "AWS/SQS": {"ApproximateNumberOfMessagesVisible": "QueueName"},
}


def alarms() -> dict[str, dict[str, Any]]:
    return of_type("AWS::CloudWatch::Alarm")


def of_namespace(namespace: str) -> list[dict[str, Any]]:
    return [alarm for alarm in alarms().values() if alarm["Namespace"] == namespace]


def dimensions(alarm: dict[str, Any]) -> dict[str, Any]:
    return {one["Name"]: one["Value"] for one in alarm["Dimensions"]}


@pytest.fixture
def emitted(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What complete prints for one ending of each kind, of which everything is known."""
    for status in metrics.COUNTERS:
        metrics.count("the-endpoint", Result("job", status, 0.0, metrics=Metrics(1.0, 2.0, 3.0, 0.1)))
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_an_alarm_on_jobs_names_exactly_what_complete_emits(emitted: list[dict[str, Any]]) -> None:
    directives = [line["_aws"]["CloudWatchMetrics"][0] for line in emitted]
    names = {metric["Name"] for directive in directives for metric in directive["Metrics"]}
    (namespace,) = {directive["Namespace"] for directive in directives}
    ((dimension,),) = {tuple(directive["Dimensions"][0]) for directive in directives}

    ours = of_namespace(namespace)

    assert ours and len(directives[0]["Dimensions"]) == 1
    for alarm in ours:
        assert alarm["MetricName"] in names
        assert dimensions(alarm) == {dimension: ENDPOINT}
    assert {line[dimension] for line in emitted} == {"the-endpoint"}


def test_complete_emits_for_the_endpoint_that_the_alarms_name() -> None:
    complete = translated().resources["CompleteFunction"].properties["Environment"]["Variables"]

    assert complete["WEBUI_ASYNC_ENDPOINT"] == ENDPOINT
    # Either would change what complete emits: powertools reads them.
    assert not {name for name in complete if name.startswith("POWERTOOLS_")}


def test_every_ending_is_counted() -> None:
    assert set(metrics.COUNTERS) == {status for status in Status if status.is_ending}


def test_every_other_alarm_is_on_a_metric_of_aws_with_its_dimension() -> None:
    others = [alarm for alarm in alarms().values() if alarm["Namespace"] != metrics.NAMESPACE]

    for alarm in others:
        assert set(dimensions(alarm)) == {AWS_METRICS[alarm["Namespace"]][alarm["MetricName"]]}
    assert [dimensions(alarm) for alarm in of_namespace("AWS/SageMaker")] == [{"EndpointName": ENDPOINT}]


def test_every_dead_letter_queue_has_an_alarm_that_one_message_raises() -> None:
    dead = {
        queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
        for queue in of_type("AWS::SQS::Queue").values()
        if "RedrivePolicy" in queue
    }
    watched = {dimensions(one)["QueueName"]["Fn::GetAtt"][0]: one for one in of_namespace("AWS/SQS")}

    assert set(watched) == dead and len(dead) == 2
    for alarm in watched.values():
        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")


def test_silence_is_no_alarm_and_an_alarm_tells_the_topic() -> None:
    shape = get_session().get_service_model("cloudwatch").shape_for("PutMetricAlarmInput")
    operators = shape.members["ComparisonOperator"].enum

    for alarm in alarms().values():
        assert alarm["TreatMissingData"] == "notBreaching"
        assert alarm["AlarmActions"] == [{"Ref": "AlarmsTopic"}]
        assert alarm["ComparisonOperator"] in operators
        assert alarm["AlarmDescription"]


def test_the_oldest_request_may_wait_longer_than_an_endpoint_takes_from_zero() -> None:
    parameter = load_yaml(PATH)["Parameters"]["AlarmOldestRequestS"]

    # The alarm from zero, an instance, the image, the pack and a checkpoint: minutes each.
    assert parameter["Default"] >= 1800


def test_nobody_is_mailed_unless_an_address_is_given() -> None:
    template = load_yaml(PATH)
    subscription = template["Resources"]["AlarmSubscription"]

    assert (
        subscription["Condition"] == "HasAlarmEmail" and template["Parameters"]["AlarmEmail"]["Default"] == ""
    )
    assert subscription["Properties"]["Protocol"] == "email"
    assert "AlarmSubscription" not in translated().resources


def test_every_alarm_and_metric_is_explained() -> None:
    page = DOCS.read_text()

    for alarm in alarms().values():
        assert f"`{alarm['AlarmName']['Fn::Sub'].replace('${AWS::StackName}', '{stack}')}`" in page
    for name in (*metrics.COUNTERS.values(), "QueuedSeconds", "DrawingSeconds", "TotalSeconds", "CostUsd"):
        assert f"`{name}`" in page
