"""The names that are looked for when a stack is gone are those that template.yaml gives."""

from __future__ import annotations

from typing import Any

from tests.contract.translated import PATH, of_type, translated
from webui_async.deploy import inventory
from webui_async.deploy.inventory import Names
from webui_async.deploy.stack_template import find_checkout
from webui_async.local.template import load_yaml


def physical_names(kind: str, field: str) -> set[str]:
    """What resources of a type are called, the stack being `house`."""
    return {_named(properties[field]) for properties in of_type(kind).values()}


def _named(value: Any) -> str:
    if value == {"Ref": "AWS::StackName"}:
        return "house"
    text: str = value["Fn::Sub"]
    return text.replace("${AWS::StackName}", "house").replace("${EndpointName}", "painter")


HOUSE = Names("house", "painter", "house-123456789012-eu-central-1")


def test_the_names_of_the_template_are_the_ones_looked_for() -> None:
    assert physical_names("AWS::SQS::Queue", "QueueName") == HOUSE.all_of(inventory.QUEUES)
    assert physical_names("AWS::SNS::Topic", "TopicName") == HOUSE.all_of(inventory.TOPICS)
    assert physical_names("AWS::CloudWatch::Alarm", "AlarmName") == HOUSE.all_of(inventory.ALARMS)
    assert physical_names("AWS::Lambda::Function", "FunctionName") == HOUSE.all_of(inventory.FUNCTIONS)
    assert physical_names("AWS::SecretsManager::Secret", "Name") == HOUSE.all_of((inventory.SECRET,))
    assert physical_names("AWS::ApiGateway::ApiKey", "Name") == HOUSE.all_of((inventory.API_KEY,))
    assert physical_names("AWS::Logs::LogGroup", "LogGroupName") == HOUSE.log_groups
    assert physical_names("AWS::ApiGateway::RestApi", "Name") == {"house"}
    assert physical_names("AWS::ApiGateway::UsagePlan", "UsagePlanName") == {"house"}


def test_what_cloudformation_names_itself_is_known_by_its_name_in_the_template() -> None:
    assert set(of_type("AWS::IAM::Role")) == set(inventory.ROLES)
    assert set(of_type("AWS::Events::Rule")) == {inventory.SCHEDULE}
    for kind in ("AWS::IAM::Role", "AWS::Events::Rule"):
        assert not any({"Name", "RoleName"} & set(one) for one in of_type(kind).values())


def test_every_type_that_outlives_a_stack_or_costs_is_looked_for() -> None:
    looked_for = {
        "AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::SNS::Topic", "AWS::SNS::Subscription", "AWS::IAM::Role",
        "AWS::SecretsManager::Secret", "AWS::CloudWatch::Alarm", "AWS::Logs::LogGroup",
        "AWS::Lambda::Function", "AWS::ApiGateway::RestApi", "AWS::ApiGateway::ApiKey",
        "AWS::ApiGateway::UsagePlan", "AWS::Events::Rule",
    }  # fmt: skip
    #: Parts of one of those, or of a queue.
    parts = {
        "AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::Lambda::Permission",
        "AWS::Lambda::EventSourceMapping", "AWS::Lambda::EventInvokeConfig", "AWS::ApiGateway::Deployment",
        "AWS::ApiGateway::Stage", "AWS::ApiGateway::UsagePlanKey", "AWS::ApiGateway::GatewayResponse",
    }  # fmt: skip
    assert {one.type for one in translated().resources.values()} <= looked_for | parts


def test_the_defaults_are_the_templates() -> None:
    parameters = load_yaml(PATH)["Parameters"]

    assert parameters["EndpointName"]["Default"] == inventory.ENDPOINT
    assert parameters["ImageRepository"]["Default"] == inventory.IMAGE_REPOSITORY
    (bucket,) = of_type("AWS::S3::Bucket").values()
    assert bucket["BucketName"]["Fn::If"][2] == {
        "Fn::Sub": "${AWS::StackName}-${AWS::AccountId}-${AWS::Region}"
    }


def test_a_trainers_repository_lies_beside_the_containers() -> None:
    assert HOUSE.image_repositories == ["webui-async-inference", "webui-async-training"]
    assert Names("house", "painter", "b", "team/own").image_repositories == ["team/own"]


def test_the_template_is_found_from_a_checkout() -> None:
    assert find_checkout(PATH.parent) == PATH.parent
