"""local/template.py and local/intrinsics.py: what a template says once it is resolved."""

import pytest

from webui_async.local.errors import TemplateError
from webui_async.local.intrinsics import Made, Scope, names_in
from webui_async.local.template import read_template

PSEUDO = {"AWS::Region": "eu-central-1", "AWS::StackName": "art", "AWS::AccountId": "123456789012"}


@pytest.fixture
def scope():
    return Scope(
        parameters=PSEUDO | {"Size": "big", "Hosts": ["a", "b"]},
        conditions={
            "IsBig": {"Fn::Equals": [{"Ref": "Size"}, "big"]},
            "IsSmall": {"Fn::Not": [{"Condition": "IsBig"}]},
            "Both": {"Fn::And": [{"Condition": "IsBig"}, {"Condition": "IsSmall"}]},
            "Either": {"Fn::Or": [{"Condition": "IsBig"}, {"Condition": "IsSmall"}]},
        },
        mappings={"Prices": {"eu-central-1": {"g5": 1.2}}},
        made={"Queue": Made("http://q", {"Arn": "arn:q"})},
    )


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ({"Ref": "Size"}, "big"),
        ({"Ref": "Queue"}, "http://q"),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, "arn:q"),
        ({"Fn::GetAtt": "Queue.Arn"}, "arn:q"),
        ({"Fn::Sub": "${AWS::StackName}-${Queue.Arn}-${!Literal}"}, "art-arn:q-${Literal}"),
        ({"Fn::Sub": ["${name}-${Size}", {"name": {"Ref": "AWS::Region"}}]}, "eu-central-1-big"),
        ({"Fn::Join": ["/", ["a", {"Ref": "Size"}]]}, "a/big"),
        ({"Fn::Select": [1, {"Fn::Split": [",", "x,y"]}]}, "y"),
        ({"Fn::Select": ["0", {"Ref": "Hosts"}]}, "a"),
        ({"Fn::If": ["IsBig", 1, 2]}, 1),
        ({"Fn::If": ["Both", 1, 2]}, 2),
        ({"Fn::If": ["Either", 1, 2]}, 1),
        ({"Fn::FindInMap": ["Prices", {"Ref": "AWS::Region"}, "g5"]}, 1.2),
        ({"Fn::Base64": "a"}, "YQ=="),
        (
            {"a": {"Fn::If": ["IsSmall", 1, {"Ref": "AWS::NoValue"}]}, "b": [{"Ref": "AWS::NoValue"}]},
            {"b": []},
        ),
        ({"Statement": [{"Effect": "Allow"}]}, {"Statement": [{"Effect": "Allow"}]}),
    ],
)
def test_a_function_becomes_its_value(scope, value, resolved):
    assert scope.resolve(value) == resolved


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"Ref": "Absent"}, "Absent"),
        ({"Fn::GetAtt": ["Absent", "Arn"]}, r"Absent\.Arn"),
        ({"Fn::GetAtt": ["Queue", "Url"]}, r"Queue\.Url.*Arn"),
        ({"Fn::ImportValue": "x"}, "Fn::ImportValue"),
        ({"Fn::If": ["Absent", 1, 2]}, "Absent"),
        ({"Fn::FindInMap": ["Prices", "moon", "g5"]}, "moon"),
    ],
)
def test_what_cannot_be_resolved_is_named(scope, value, named):
    with pytest.raises(TemplateError, match=named):
        scope.resolve(value)


def test_the_names_a_value_needs_are_found():
    value = {
        "a": {"Fn::Sub": ["${B.Arn} ${c} ${!D}", {"c": {"Ref": "E"}}]},
        "f": [{"Fn::GetAtt": ["G", "H"]}],
    }
    assert set(names_in(value)) == {"B", "E", "G"}


@pytest.fixture
def read(tmp_path):
    def read(text, **parameters):
        path = tmp_path / "template.yaml"
        path.write_text(f"Transform: AWS::Serverless-2016-10-31\n{text}")
        return read_template(path, parameters, PSEUDO)

    return read


QUEUES = """
Parameters:
  Name: {Type: String, Default: jobs}
  Kind: {Type: String, Default: plain, AllowedValues: [plain, fifo]}
  Hosts: {Type: CommaDelimitedList, Default: "a, b"}
Conditions: {IsFifo: !Equals [!Ref Kind, fifo]}
Resources:
  Second: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${First}-2"}}
  First: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref Name}}
  Fifo: {Type: AWS::SQS::Queue, Condition: IsFifo}
Outputs:
  FifoUrl: {Condition: IsFifo, Value: !Ref Fifo}
"""


def test_resources_come_after_those_they_need(read):
    assert [resource.name for resource in read(QUEUES).in_order()] == ["First", "Second"]


def test_a_condition_that_does_not_hold_leaves_its_resource_and_output_out(read):
    assert "Fifo" not in read(QUEUES).resources
    assert set(read(QUEUES, Kind="fifo").outputs) == {"FifoUrl"}


def test_parameters_are_checked(read):
    assert read(QUEUES).scope.parameters["Hosts"] == ["a", "b"]
    with pytest.raises(TemplateError, match="no parameter 'Colour'"):
        read(QUEUES, Colour="red")
    with pytest.raises(TemplateError, match="Kind is 'round'"):
        read(QUEUES, Kind="round")
    with pytest.raises(TemplateError, match="Bare has no default"):
        read("Parameters: {Bare: {Type: String}}\nResources: {A: {Type: AWS::SQS::Queue}}")


def test_resources_that_need_each_other_are_named(read):
    text = """
Resources:
  A: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref B}}
  B: {Type: AWS::SQS::Queue, DependsOn: A}
"""
    with pytest.raises(TemplateError, match="need each other: A, B"):
        list(read(text).in_order())


def test_a_resource_that_waits_for_an_absent_one_is_refused(read):
    with pytest.raises(TemplateError, match="A depends on Gone"):
        read("Resources: {A: {Type: AWS::SQS::Queue, DependsOn: Gone}}")


def test_what_sam_refuses_is_told(read):
    text = "Resources: {F: {Type: AWS::Serverless::Function, Properties: {CodeUri: code/, Handler: 7}}}"
    with pytest.raises(TemplateError, match="SAM refuses"):
        read(text)


def test_a_functions_code_is_found_beside_the_template(read, tmp_path):
    text = """
Globals: {Function: {Runtime: python3.12, CodeUri: code/}}
Resources:
  F: {Type: AWS::Serverless::Function, Properties: {Handler: a.b}}
"""
    assert read(text).code_dirs == {"F": tmp_path / "code"}


@pytest.mark.parametrize(("text", "told"), [("a: [", "not YAML"), ("a: 1", "no Resources")])
def test_a_file_that_is_no_template_is_refused(read, text, told):
    with pytest.raises(TemplateError, match=told):
        read(text)
