"""From an AWS request to the IAM actions that it needs: what the authority asks the policies about.

A request that is not understood needs the action `service:Operation` on `*`, which only an administrator has.
Source: Service Authorization Reference, "Actions, resources, and condition keys".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import unescape

from webui_async.local.policy import Call
from webui_async.local.signatures import HttpRequest

#: Sub-resources of a bucket or of an object that are objects' own business; any other needs an administrator.
_OBJECT_ACTIONS = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
_OBJECT_SUBRESOURCES = {
    ("GET", "uploadId"): "ListMultipartUploadParts",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("PUT", "uploadId"): "PutObject",
    ("POST", "uploadId"): "PutObject",
    ("POST", "uploads"): "PutObject",
    ("GET", "versionId"): "GetObjectVersion",
    ("DELETE", "versionId"): "DeleteObjectVersion",
    ("GET", "tagging"): "GetObjectTagging",
    ("PUT", "tagging"): "PutObjectTagging",
    ("GET", "acl"): "GetObjectAcl",
    ("PUT", "acl"): "PutObjectAcl",
}
_BUCKET_SUBRESOURCES = {("GET", "uploads"): "ListBucketMultipartUploads"}
_BUCKET_ACTIONS = {"GET": "ListBucket", "HEAD": "ListBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}
#: Query parameters of a plain listing; anything else in the query of a bucket is a sub-resource.
_LISTING = re.compile(
    r"list-type|prefix|delimiter|max-keys|marker|continuation-token|start-after|encoding-type|fetch-owner"
)
_LISTING_CONTEXT = ("prefix", "delimiter", "max-keys")
_DELETED_KEY = re.compile(rb"<Key>([^<]*)</Key>")
#: Services whose name in signatures is not their name in policies.
_PREFIXES = {"monitoring": "cloudwatch"}
#: Operations in batch are allowed by the permission for one.
_SINGULAR = {
    "sqs": {
        "SendMessageBatch": "SendMessage",
        "DeleteMessageBatch": "DeleteMessage",
        "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    },
    "sns": {"PublishBatch": "Publish"},
}
#: Service -> the parameter that names its resource, and the ARN's shape when the parameter is only a name.
_RESOURCES: dict[str, tuple[tuple[str, str], ...]] = {
    "sqs": (("QueueUrl", "arn:aws:sqs:{region}:{account}:{last}"),),
    "sns": (("TopicArn", "{value}"), ("TargetArn", "{value}")),
    "sts": (("RoleArn", "{value}"),),
    "secretsmanager": (("SecretId", "arn:aws:secretsmanager:{region}:{account}:secret:{value}"),),
    # Policies name a group with `:*` at its end. Source: CloudWatch Logs user guide, "Resources".
    "logs": (("logGroupName", "arn:aws:logs:{region}:{account}:log-group:{value}:*"),),
    "sagemaker": (
        ("EndpointName", "arn:aws:sagemaker:{region}:{account}:endpoint/{value}"),
        ("EndpointConfigName", "arn:aws:sagemaker:{region}:{account}:endpoint-config/{value}"),
        ("ModelName", "arn:aws:sagemaker:{region}:{account}:model/{value}"),
        ("ResourceArn", "{value}"),
    ),
    "cloudformation": (("StackName", "arn:aws:cloudformation:{region}:{account}:stack/{value}/local"),),
    "ecr": (
        ("repositoryName", "arn:aws:ecr:{region}:{account}:repository/{value}"),
        ("repositoryNames", "arn:aws:ecr:{region}:{account}:repository/{value}"),
    ),
    "monitoring": (
        ("AlarmName", "arn:aws:cloudwatch:{region}:{account}:alarm:{value}"),
        ("AlarmNames", "arn:aws:cloudwatch:{region}:{account}:alarm:{value}"),
    ),
    "application-autoscaling": (
        ("ResourceId", "arn:aws:application-autoscaling:{region}:{account}:scalable-target/{value}"),
    ),
}


def calls_of(request: HttpRequest, service: str, region: str, account: str) -> list[Call]:
    """Every call the request makes; the caller must be allowed all of them."""
    context = {"aws:SecureTransport": "true", "aws:RequestedRegion": region}
    if service == "s3":
        return _s3_calls(request, context)
    if service == "apigateway":
        return [Call(f"apigateway:{request.method}", f"arn:aws:apigateway:{region}::{request.path}", context)]
    parameters = _parameters(request)
    operation = request.headers.get("x-amz-target", "").rpartition(".")[2] or str(
        parameters.get("Action", "")
    )
    operation = operation or f"{request.method} {request.path}"
    action = f"{_PREFIXES.get(service, service)}:{_SINGULAR.get(service, {}).get(operation, operation)}"
    return [Call(action, place, context) for place in _resources(parameters, service, region, account)]


def _parameters(request: HttpRequest) -> Mapping[str, Any]:
    if "x-amz-target" in request.headers or "json" in request.headers.get("content-type", ""):
        try:
            document = json.loads(request.body or b"{}")
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}
    return dict(parse_qsl(request.body.decode("utf-8", "replace"))) | request.query_items()


def _resources(parameters: Mapping[str, Any], service: str, region: str, account: str) -> list[str]:
    for name, shape in _RESOURCES.get(service, ()):
        value = parameters.get(name)
        values = value if isinstance(value, list) else [value]
        if named := [each for each in values if isinstance(each, str)]:
            return [_arn(each, shape, region, account) for each in named]
    return ["*"]


def _arn(value: str, shape: str, region: str, account: str) -> str:
    if value.startswith("arn:"):
        return value
    return shape.format(region=region, account=account, value=value, last=value.rsplit("/", 1)[-1])


def _s3_calls(request: HttpRequest, context: dict[str, str]) -> list[Call]:
    bucket, _, key = unquote(request.path).lstrip("/").partition("/")
    if not bucket:
        return [Call("s3:ListAllMyBuckets", "*", context)]
    arn = f"arn:aws:s3:::{bucket}"
    if key:
        return _object_calls(request, f"{arn}/{key}", context)
    items = request.query_items()
    if request.method == "POST" and "delete" in items:
        deleted = _DELETED_KEY.findall(request.body)
        return [Call("s3:DeleteObject", f"{arn}/{_from_xml(name)}", context) for name in deleted]
    subresources = [name for name in items if not _LISTING.fullmatch(name) and not name.startswith("X-Amz-")]
    if subresources:
        unknown = f"{request.method} ?{subresources[0]}"
        action = _BUCKET_SUBRESOURCES.get((request.method, subresources[0]), unknown)
        return [Call(f"s3:{action}", arn, context)]
    context |= {f"s3:{name}": items[name] for name in _LISTING_CONTEXT if name in items}
    return [Call(f"s3:{_BUCKET_ACTIONS.get(request.method, request.method)}", arn, context)]


def _object_calls(request: HttpRequest, arn: str, context: dict[str, str]) -> list[Call]:
    items, headers = request.query_items(), request.headers
    special = next((_OBJECT_SUBRESOURCES[pair] for pair in _pairs(request.method, items)), None)
    action = special or _OBJECT_ACTIONS.get(request.method, request.method)
    for header in (
        "if-none-match",
        "if-match",
        "x-amz-server-side-encryption",
        "x-amz-acl",
        "x-amz-storage-class",
    ):
        if header in headers:
            context[f"s3:{header}"] = headers[header]
    if action == "PutObject":
        # False for a multipart upload's steps before its completion: they cannot carry the condition yet.
        creates = (request.method == "POST" and "uploadId" in items) or not special
        context["s3:ObjectCreationOperation"] = str(creates).lower()
    calls = [Call(f"s3:{action}", arn, context)]
    if source := headers.get("x-amz-copy-source"):
        calls.append(
            Call("s3:GetObject", f"arn:aws:s3:::{unquote(source).lstrip('/').partition('?')[0]}", context)
        )
    return calls


def _pairs(method: str, items: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(method, name) for name in items if (method, name) in _OBJECT_SUBRESOURCES]


def _from_xml(text: bytes) -> str:
    return unescape(text.decode("utf-8", "replace"), {"&quot;": '"', "&apos;": "'", "&#13;": "\r"})
