"""local/actions.py: which permissions a request needs."""

import json

import pytest

from webui_async.local.actions import calls_of
from webui_async.local.signatures import HttpRequest


def asked(service, method="GET", path="/", query="", headers=None, body=b""):
    request = HttpRequest(method, path, query, headers or {}, body)
    return [
        (call.action, call.resource) for call in calls_of(request, service, "eu-central-1", "123456789012")
    ]


@pytest.mark.parametrize(
    ("method", "target", "action"),
    [
        ("GET", "/art/jobs/1/result.json", "s3:GetObject"),
        ("HEAD", "/art/jobs/1/result.json", "s3:GetObject"),
        ("PUT", "/art/jobs/1/result.json", "s3:PutObject"),
        ("DELETE", "/art/jobs/1/result.json", "s3:DeleteObject"),
        ("POST", "/art/jobs/1/result.json?uploads", "s3:PutObject"),
        ("PUT", "/art/jobs/1/result.json?partNumber=1&uploadId=2", "s3:PutObject"),
        ("DELETE", "/art/jobs/1/result.json?uploadId=2", "s3:AbortMultipartUpload"),
        ("GET", "/art/jobs/1/result.json?X-Amz-Signature=3", "s3:GetObject"),
    ],
)
def test_an_object_is_asked_for_by_its_key(method, target, action):
    path, _, query = target.partition("?")
    assert asked("s3", method, path, query) == [(action, "arn:aws:s3:::art/jobs/1/result.json")]


def test_a_listing_tells_its_prefix():
    request = HttpRequest("GET", "/art", "list-type=2&prefix=jobs%2F", {})
    (call,) = calls_of(request, "s3", "eu-central-1", "123456789012")
    assert (call.action, call.resource) == ("s3:ListBucket", "arn:aws:s3:::art")
    assert call.context["s3:prefix"] == "jobs/"


def test_a_write_tells_its_condition():
    request = HttpRequest("PUT", "/art/a", "", {"if-none-match": "*"})
    assert calls_of(request, "s3", "eu-central-1", "1")[0].context["s3:if-none-match"] == "*"


def test_a_copy_reads_its_source_too():
    headers = {"x-amz-copy-source": "/art/uploads/a%20b"}
    assert asked("s3", "PUT", "/art/jobs/c", headers=headers)[1] == (
        "s3:GetObject",
        "arn:aws:s3:::art/uploads/a b",
    )


def test_a_bulk_delete_needs_every_key():
    body = b"<Delete><Object><Key>jobs/a&amp;b</Key></Object><Object><Key>other</Key></Object></Delete>"
    keys = [resource for _, resource in asked("s3", "POST", "/art", "delete", body=body)]
    assert keys == ["arn:aws:s3:::art/jobs/a&b", "arn:aws:s3:::art/other"]


def test_a_buckets_configuration_is_no_listing():
    assert asked("s3", "GET", "/art", "policy") == [("s3:GET ?policy", "arn:aws:s3:::art")]


def test_a_list_of_unfinished_uploads_is_an_action_of_its_own():
    listing = asked("s3", "GET", "/art", "uploads&prefix=packs%2F")
    assert listing == [("s3:ListBucketMultipartUploads", "arn:aws:s3:::art")]


@pytest.mark.parametrize(
    ("service", "target", "body", "expected"),
    [
        (
            "sqs",
            "AmazonSQS.SendMessageBatch",
            {"QueueUrl": "http://127.0.0.1:5000/123456789012/events"},
            ("sqs:SendMessage", "arn:aws:sqs:eu-central-1:123456789012:events"),
        ),
        (
            "secretsmanager",
            "secretsmanager.GetSecretValue",
            {"SecretId": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:s-1"},
            ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:s-1"),
        ),
        (
            "sagemaker",
            "SageMaker.DescribeEndpoint",
            {"EndpointName": "art"},
            ("sagemaker:DescribeEndpoint", "arn:aws:sagemaker:eu-central-1:123456789012:endpoint/art"),
        ),
        (
            "logs",
            "Logs_20140328.CreateLogStream",
            {"logGroupName": "/aws/sagemaker/Endpoints/art", "logStreamName": "gpu/1"},
            (
                "logs:CreateLogStream",
                "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/sagemaker/Endpoints/art:*",
            ),
        ),
        (
            "application-autoscaling",
            "AnyScaleFrontendService.RegisterScalableTarget",
            {"ServiceNamespace": "sagemaker", "ResourceId": "endpoint/art/variant/gpu"},
            (
                "application-autoscaling:RegisterScalableTarget",
                "arn:aws:application-autoscaling:eu-central-1:123456789012:scalable-target/"
                "endpoint/art/variant/gpu",
            ),
        ),
        ("monitoring", "GraniteServiceVersion20100801.PutMetricData", {}, ("cloudwatch:PutMetricData", "*")),
    ],
)
def test_a_json_service_names_its_resource_in_the_body(service, target, body, expected):
    headers = {"x-amz-target": target, "content-type": "application/x-amz-json-1.0"}
    assert asked(service, "POST", headers=headers, body=json.dumps(body).encode()) == [expected]


def test_a_query_service_names_its_resource_in_the_form():
    body = b"Action=Publish&TopicArn=arn%3Aaws%3Asns%3Aeu-central-1%3A1%3Aendings"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert asked("sns", "POST", headers=headers, body=body) == [
        ("sns:Publish", "arn:aws:sns:eu-central-1:1:endings")
    ]


def test_what_is_not_understood_needs_everything():
    assert asked("lambda", "GET", "/2015-03-31/functions") == [("lambda:GET /2015-03-31/functions", "*")]


def test_a_method_of_api_gateways_is_its_action():
    expected = ("apigateway:GET", "arn:aws:apigateway:eu-central-1::/apikeys/a1")
    assert asked("apigateway", "GET", "/apikeys/a1", "includeValue=true") == [expected]


def test_each_of_several_names_is_asked_about():
    headers = {"x-amz-target": "GraniteServiceVersion20100801.DeleteAlarms"}
    body = json.dumps({"AlarmNames": ["a", "b"]}).encode()
    assert asked("monitoring", "POST", headers=headers, body=body) == [
        ("cloudwatch:DeleteAlarms", f"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:{name}")
        for name in "ab"
    ]
