"""The roles of template.yaml on the local control plane: every call outside a role's set is refused there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.test_template_roles import ACTIONS, REMOVES, WRITES
from tests.contract.translated import KEYS, PATH
from webui_async.local.control_plane import ControlPlane, Credentials
from webui_async.local.deployed import Deployed
from webui_async.local.deployment import deploy_template
from webui_async.local.iam import Permissions

STACK = "webui-async"
REFUSED = ("AccessDenied", "AccessDeniedException")


JOB = {
    "request", "queued", "released", "progress", "picture", "reply", "result", "cancel", "deleted",
    "callback",
}  # fmt: skip
READS = {
    "SubmitRole": JOB | {"idempotency", "catalog", "upload"},
    "ApiRole": JOB | {"catalog"},
    "CompleteRole": JOB,
    "DeliverRole": JOB,
    "ReapRole": JOB,
    "EndpointRole": JOB | {"upload", "model", "pack"},
}
LISTS = {
    "SubmitRole": {"active", "jobs", "idempotency", "catalog", "uploads"},
    "ApiRole": {"jobs", "index", "active", "catalog"},
    "CompleteRole": {"jobs", "active"},
    "DeliverRole": {"jobs"},
    "ReapRole": {"jobs", "active"},
    "EndpointRole": {"jobs", "models", "packs"},
}


class World:
    """The template, made on a control plane of its own."""

    def __init__(self, plane: ControlPlane, deployed: Deployed):
        self.plane, self.deployed = plane, deployed
        self.bucket = deployed.outputs["BucketName"]
        self.credentials = {role: self._assume(role) for role in ACTIONS}

    def _assume(self, role: str) -> Credentials:
        service = "sagemaker.amazonaws.com" if role == "EndpointRole" else "lambda.amazonaws.com"
        return self.plane.assume(self.deployed.outputs[f"{role}Arn"], service)

    def exists(self, key: str) -> bool:
        return "Contents" in self.plane.client("s3").list_objects_v2(Bucket=self.bucket, Prefix=key)

    def may(self, role: str, service: str, operation: str, **parameters: Any) -> bool:
        """Whether the call, made with the role's own keys, gets past IAM."""
        client = self.plane.client(service, self.credentials[role])
        try:
            getattr(client, operation)(**parameters)
        except ClientError as error:
            return error.response["Error"]["Code"] not in REFUSED
        return True


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    plane = ControlPlane.start(tmp_path_factory.mktemp("plane"))
    try:
        yield World(plane, deploy_template(plane, PATH, {}, STACK))
    finally:
        plane.stop()


@pytest.mark.parametrize("role", ACTIONS)
def test_a_role_writes_its_own_kinds_of_key_and_no_other(world: World, role: str) -> None:
    written = {
        kind
        for kind, key in KEYS.items()
        if world.may(role, "s3", "put_object", Bucket=world.bucket, Key=key, Body=b"", IfNoneMatch="*")
    }
    assert written == WRITES[role]


@pytest.mark.parametrize("role", ACTIONS)
def test_a_role_removes_its_own_kinds_of_key_and_no_other(world: World, role: str) -> None:
    removed = {
        kind
        for kind, key in KEYS.items()
        if world.may(role, "s3", "delete_object", Bucket=world.bucket, Key=key)
    }
    assert removed == REMOVES[role]


@pytest.mark.parametrize("role", ACTIONS)
def test_a_role_reads_its_own_kinds_of_key_and_no_other(world: World, role: str) -> None:
    admin = world.plane.client("s3")
    for key in KEYS.values():
        if not world.exists(key):  # so that a refusal is about the key, and not about what is missing
            admin.put_object(Bucket=world.bucket, Key=key, Body=b"", IfNoneMatch="*")
    read = {
        kind
        for kind, key in KEYS.items()
        if world.may(role, "s3", "get_object", Bucket=world.bucket, Key=key)
    }
    assert read == READS[role]


@pytest.mark.parametrize("role", ACTIONS)
def test_a_role_lists_under_its_own_prefixes_and_no_other(world: World, role: str) -> None:
    prefixes = {key.partition("/")[0] for key in KEYS.values()}
    listed = {
        prefix
        for prefix in prefixes
        if world.may(role, "s3", "list_objects_v2", Bucket=world.bucket, Prefix=f"{prefix}/")
    }
    assert listed == LISTS[role]


@pytest.mark.parametrize("role", ACTIONS)
def test_a_role_reaches_no_service_beyond_its_set(world: World, role: str) -> None:
    outputs = world.deployed.outputs
    endings, errors = outputs["EndingsTopicArn"], outputs["ErrorTopicArn"]
    events, callbacks = outputs["EventsQueueUrl"], outputs["CallbacksQueueUrl"]
    message = {"MessageBody": "{}", "MessageGroupId": "g", "MessageDeduplicationId": "d"}
    asked = {
        "publish endings": ("sns", "publish", {"TopicArn": endings, "Message": "{}"}),
        "publish errors": ("sns", "publish", {"TopicArn": errors, "Message": "{}"}),
        "send event": ("sqs", "send_message", {"QueueUrl": events, "MessageBody": "{}"}),
        "send callback": ("sqs", "send_message", {"QueueUrl": callbacks, **message}),
        "receive event": ("sqs", "receive_message", {"QueueUrl": events, "VisibilityTimeout": 0}),
        "receive callback": ("sqs", "receive_message", {"QueueUrl": callbacks, "VisibilityTimeout": 0}),
        "purge events": ("sqs", "purge_queue", {"QueueUrl": events}),
        "subscribe": ("sns", "subscribe", {"TopicArn": endings, "Protocol": "sqs", "Endpoint": events}),
        "read secret": ("secretsmanager", "get_secret_value", {"SecretId": outputs["CallbackSecretArn"]}),
        "list all": ("s3", "list_objects_v2", {"Bucket": world.bucket}),
        "read policy": ("s3", "get_bucket_policy", {"Bucket": world.bucket}),
        "make bucket": ("s3", "create_bucket", {"Bucket": "another-bucket"}),
        "list endpoints": ("sagemaker", "list_endpoints", {}),
        "stop endpoint": ("sagemaker", "delete_endpoint", {"EndpointName": "webui-async"}),
        "list users": ("iam", "list_users", {}),
        "take a role": (
            "sts",
            "assume_role",
            {"RoleArn": outputs["CompleteRoleArn"], "RoleSessionName": "other"},
        ),
    }
    allowed = {
        "CompleteRole": {"publish endings", "send callback", "receive event"},
        "DeliverRole": {"receive callback", "read secret"},
        "ReapRole": {"send event"},
        "EndpointRole": {"publish errors"},
    }
    passed = {
        name
        for name, (service, operation, given) in asked.items()
        if world.may(role, service, operation, **given)
    }
    assert passed == allowed.get(role, set())


@pytest.mark.parametrize("role", ACTIONS)
def test_only_those_who_enqueue_may_invoke_and_only_our_endpoint(world: World, role: str) -> None:
    permissions, key = Permissions(world.plane), world.credentials[role].access_key_id
    arn = "arn:aws:sagemaker:eu-central-1:123456789012:endpoint/"
    may = permissions.is_allowed(key, "sagemaker:InvokeEndpointAsync", f"{arn}webui-async")
    assert may is (role in ("SubmitRole", "CompleteRole", "ReapRole"))
    assert not permissions.is_allowed(key, "sagemaker:InvokeEndpointAsync", f"{arn}other")


@pytest.mark.parametrize("role", ACTIONS)
def test_a_missing_object_is_missing_to_those_who_may_read_it(world: World, role: str) -> None:
    """Without a fitting ListBucket S3 answers 403, and every look at an object not there yet would fail."""
    s3 = world.plane.client("s3", world.credentials[role])
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=world.bucket, Key="jobs/absent/progress.json")
    assert error.value.response["Error"]["Code"] == "NoSuchKey"


@pytest.mark.parametrize("kind", ["request", "result", "idempotency"])
def test_what_is_written_once_cannot_be_overwritten_by_anybody(world: World, kind: str) -> None:
    s3 = world.plane.client("s3")
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=world.bucket, Key=KEYS[kind], Body=b"again")
    assert error.value.response["Error"]["Code"] == "AccessDenied"
