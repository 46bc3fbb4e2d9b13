"""local/control_plane.py, authority.py and moto_process.py: a moto server that enforces IAM as AWS does."""

import json
import threading
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

from webui_async.local.control_plane import ControlPlane, Credentials
from webui_async.local.errors import StackError
from webui_async.local.iam import Permissions

BUCKET = "art-bucket"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    ],
}


def allow(actions, resource, **rest):
    return {"Effect": "Allow", "Action": actions, "Resource": resource} | rest


POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        allow(["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], f"arn:aws:s3:::{BUCKET}/jobs/*"),
        allow("s3:ListBucket", f"arn:aws:s3:::{BUCKET}", Condition={"StringLike": {"s3:prefix": "jobs/a*"}}),
        allow("sqs:SendMessage", "arn:aws:sqs:eu-central-1:123456789012:mine"),
        allow("sagemaker:InvokeEndpointAsync", "arn:aws:sagemaker:eu-central-1:123456789012:endpoint/art"),
    ],
}
WRITE_ONCE = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{BUCKET}/jobs/*/result.json",
            "Condition": {"Null": {"s3:if-none-match": "true"}},
        }
    ],
}


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    plane = ControlPlane.start(tmp_path_factory.mktemp("plane"))
    try:
        plane.client("s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": plane.region}
        )
        plane.client("s3").put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(WRITE_ONCE))
        plane.client("s3").put_object(Bucket=BUCKET, Key="jobs/a b/ü.png", Body=b"png")
        plane.client("iam").create_role(RoleName="worker", AssumeRolePolicyDocument=json.dumps(TRUST))
        plane.client("iam").put_role_policy(
            RoleName="worker", PolicyName="p", PolicyDocument=json.dumps(POLICY)
        )
        plane.client("sqs").create_queue(QueueName="mine")
        plane.client("sqs").create_queue(QueueName="other")
        yield plane
    finally:
        plane.stop()


@pytest.fixture(scope="module")
def role(plane):
    return plane.assume("arn:aws:iam::123456789012:role/worker")


def code_of(call, **parameters):
    try:
        call(**parameters)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "ok"


def fetched(url, **options):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, **options)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_a_role_writes_where_it_may_and_nowhere_else(plane, role):
    s3 = plane.client("s3", role)
    assert code_of(s3.put_object, Bucket=BUCKET, Key="jobs/1/x", Body=b"") == "ok"
    assert code_of(s3.put_object, Bucket=BUCKET, Key="uploads/1", Body=b"") == "AccessDenied"
    assert code_of(s3.get_object, Bucket=BUCKET, Key="uploads/1") == "AccessDenied"
    assert code_of(s3.get_bucket_policy, Bucket=BUCKET) == "AccessDenied"
    assert code_of(s3.list_buckets) == "AccessDenied"


def test_a_role_lists_under_the_prefix_it_may(plane, role):
    s3 = plane.client("s3", role)
    assert code_of(s3.list_objects_v2, Bucket=BUCKET, Prefix="jobs/a") == "ok"
    assert code_of(s3.list_objects_v2, Bucket=BUCKET, Prefix="jobs/b") == "AccessDenied"
    assert code_of(s3.list_objects_v2, Bucket=BUCKET) == "AccessDenied"


def test_a_missing_key_is_403_to_those_who_may_not_list_it(plane, role):
    s3 = plane.client("s3", role)
    assert code_of(s3.get_object, Bucket=BUCKET, Key="jobs/absent") == "NoSuchKey"
    assert code_of(s3.get_object, Bucket=BUCKET, Key="jobs/b") == "AccessDenied"
    assert code_of(s3.head_object, Bucket=BUCKET, Key="jobs/b") == "403"


def test_a_bulk_delete_needs_every_key(plane, role):
    s3 = plane.client("s3", role)
    for keys, code in ((["jobs/1/x"], "ok"), (["jobs/1/x", "uploads/1"], "AccessDenied")):
        objects = {"Objects": [{"Key": key} for key in keys]}
        assert code_of(s3.delete_objects, Bucket=BUCKET, Delete=objects) == code


def test_the_write_once_policy_is_enforced_even_against_the_administrator(plane, role):
    for credentials in (role, None):
        s3 = plane.client("s3", credentials)
        assert code_of(s3.put_object, Bucket=BUCKET, Key="jobs/w/result.json", Body=b"") == "AccessDenied"
    assert code_of(s3.put_object, Bucket=BUCKET, Key="jobs/w/result.json", Body=b"", IfNoneMatch="*") == "ok"
    lost = code_of(s3.put_object, Bucket=BUCKET, Key="jobs/w/result.json", Body=b"", IfNoneMatch="*")
    assert lost == "PreconditionFailed"


def test_of_many_conditional_writes_at_once_one_wins(plane, role):
    s3, codes = plane.client("s3", role), []

    def write():
        codes.append(
            code_of(s3.put_object, Bucket=BUCKET, Key="jobs/race/result.json", Body=b"", IfNoneMatch="*")
        )

    threads = [threading.Thread(target=write) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == ["PreconditionFailed"] * 15 + ["ok"]


def test_queues_are_told_apart(plane, role):
    sqs, admin = plane.client("sqs", role), plane.client("sqs")
    for name, code in (("mine", "ok"), ("other", "AccessDeniedException")):
        url = admin.get_queue_url(QueueName=name)["QueueUrl"]
        assert code_of(sqs.send_message, QueueUrl=url, MessageBody="x") == code
        assert code_of(sqs.receive_message, QueueUrl=url) == "AccessDeniedException"


def test_services_the_role_does_not_name_are_closed(plane, role):
    topic = plane.client("sns").create_topic(Name="endings")["TopicArn"]
    assert code_of(plane.client("sns", role).publish, TopicArn=topic, Message="x") == "AccessDeniedException"
    assert code_of(plane.client("sagemaker", role).list_endpoints) == "AccessDeniedException"
    assert code_of(plane.client("sts", role).get_caller_identity) == "ok"


def test_a_presigned_link_serves_and_a_changed_one_does_not(plane, role):
    s3 = plane.client("s3", role)
    url = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "jobs/a b/ü.png"})
    assert fetched(url) == (200, b"png")
    assert fetched(url.replace("a%20b", "a%20c"))[0] == 403
    forbidden = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "uploads/1"})
    assert fetched(forbidden)[0] == 403


def test_a_presigned_upload_takes_only_the_size_and_type_it_names(plane, role):
    parameters = {"Bucket": BUCKET, "Key": "jobs/up", "ContentType": "image/png", "ContentLength": 3}
    url = plane.client("s3", role).generate_presigned_url("put_object", parameters)
    png = {"Content-Type": "image/png"}
    assert fetched(url, method="PUT", data=b"abcd", headers=png)[0] == 403
    assert fetched(url, method="PUT", data=b"abc", headers={"Content-Type": "text/html"})[0] == 403
    assert fetched(url, method="PUT", data=b"abc", headers=png)[0] == 200


def test_nobody_without_a_key_is_served(plane):
    assert fetched(f"{plane.endpoint_url}/{BUCKET}/jobs/1/x")[0] == 403
    assert fetched(f"{plane.endpoint_url}/moto-api/data.json")[0] == 403
    assert code_of(plane.client("s3", Credentials("AKIAX", "y")).list_buckets) == "InvalidAccessKeyId"
    forged = Credentials(plane.admin.access_key_id, "not-the-secret")
    assert code_of(plane.client("iam", forged).list_users) == "SignatureDoesNotMatch"


def test_a_role_is_given_only_to_the_service_it_trusts(plane):
    with pytest.raises(StackError, match=r"worker does not trust sagemaker\.amazonaws\.com"):
        plane.assume("arn:aws:iam::123456789012:role/worker", "sagemaker.amazonaws.com")


def test_permissions_answer_for_the_holder_of_a_key(plane, role):
    permissions = Permissions(plane)
    action, art = "sagemaker:InvokeEndpointAsync", "arn:aws:sagemaker:eu-central-1:123456789012:endpoint/art"
    assert permissions.is_allowed(role.access_key_id, action, art)
    assert not permissions.is_allowed(role.access_key_id, action, art + "-2")
    assert permissions.is_allowed(plane.admin.access_key_id, action, art)
    assert not permissions.is_allowed("ASIAUNKNOWN", action, art)


def test_the_instance_types_of_today_are_taken(plane):
    sagemaker = plane.client("sagemaker")
    role = "arn:aws:iam::123456789012:role/worker"
    sagemaker.create_model(ModelName="m", ExecutionRoleArn=role, PrimaryContainer={"Image": "i"})
    variant = {
        "VariantName": "v",
        "ModelName": "m",
        "InstanceType": "ml.g5.xlarge",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": 1.0,
    }
    assert (
        code_of(sagemaker.create_endpoint_config, EndpointConfigName="c", ProductionVariants=[variant])
        == "ok"
    )


def test_it_ends_when_it_is_stopped(tmp_path):
    plane = ControlPlane.start(tmp_path)
    assert plane.is_running
    plane.stop()
    assert not plane.is_running
