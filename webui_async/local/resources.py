"""Resource types that live on the control plane: storage, messages, permissions, secrets, logs, alarms."""

from __future__ import annotations

import json
from typing import Any

from webui_async.local.control_plane import ACCOUNT
from webui_async.local.errors import TemplateError
from webui_async.local.intrinsics import Made
from webui_async.local.makers import Builder, Makers, Properties
from webui_async.local.policy import Call, Principal, Verdict, judge

MAKERS = Makers()

# Storage --------------------------------------------------------------------------------------------------


@MAKERS.of(
    "AWS::S3::Bucket",
    "BucketName NotificationConfiguration BucketEncryption LifecycleConfiguration CorsConfiguration "
    "PublicAccessBlockConfiguration VersioningConfiguration",
    ignored="OwnershipControls",
)
def make_bucket(builder: Builder, name: str, properties: Properties) -> Made:
    s3 = builder.plane.client("s3")
    bucket = builder.named(properties.get("BucketName"), name).lower()
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": builder.plane.region})
    if rules := properties.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration"):
        encryption = {"Rules": [_encryption_rule(rule) for rule in rules]}
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=encryption)
    if rules := properties.get("LifecycleConfiguration", {}).get("Rules"):
        lifecycle = {"Rules": [_lifecycle_rule(rule) for rule in rules]}
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=lifecycle)
    if rules := properties.get("CorsConfiguration", {}).get("CorsRules"):
        s3.put_bucket_cors(
            Bucket=bucket, CORSConfiguration={"CORSRules": [_cors_rule(rule) for rule in rules]}
        )
    if block := properties.get("PublicAccessBlockConfiguration"):
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    if versioning := properties.get("VersioningConfiguration"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=versioning)
    if notifications := properties.get("NotificationConfiguration"):
        _notify(builder, bucket, notifications)
    return Made(bucket, {"Arn": f"arn:aws:s3:::{bucket}", "DomainName": f"{bucket}.s3.amazonaws.com"})


def _encryption_rule(rule: Properties) -> Properties:
    return {
        "ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"],
        "BucketKeyEnabled": bool(rule.get("BucketKeyEnabled", False)),
    }


def _lifecycle_rule(rule: Properties) -> Properties:
    made: dict[str, Any] = {"Status": rule["Status"], "Filter": {"Prefix": rule.get("Prefix", "")}}
    if "Id" in rule:
        made["ID"] = rule["Id"]
    if "ExpirationInDays" in rule:
        made["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
    if "AbortIncompleteMultipartUpload" in rule:
        days = int(rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"])
        made["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": days}
    if unknown := set(rule) - {
        "Id",
        "Status",
        "Prefix",
        "ExpirationInDays",
        "AbortIncompleteMultipartUpload",
    }:
        raise TemplateError(f"a lifecycle rule has {sorted(unknown)[0]}, which the local stack does not know")
    return made


def _cors_rule(rule: Properties) -> Properties:
    names = {"ExposedHeaders": "ExposeHeaders", "MaxAge": "MaxAgeSeconds", "Id": "ID"}
    made = {names.get(name, name): value for name, value in rule.items()}
    return made | ({"MaxAgeSeconds": int(rule["MaxAge"])} if "MaxAge" in rule else {})


def _notify(builder: Builder, bucket: str, notifications: Properties) -> None:
    if unknown := set(notifications) - {"QueueConfigurations"}:
        raise TemplateError(f"bucket {bucket} has {sorted(unknown)[0]}; the local stack notifies queues only")
    configurations = []
    for item in notifications["QueueConfigurations"]:
        source = f"arn:aws:s3:::{bucket}"
        if not _accepts_s3(builder, item["Queue"], source):
            raise TemplateError(
                f"S3 may not send to {item['Queue']}, so it refuses bucket {bucket}'s notifications: "
                f"the queue's policy must allow sqs:SendMessage to s3.amazonaws.com for {source}"
            )
        rules = item.get("Filter", {}).get("S3Key", {}).get("Rules", [])
        configurations.append(
            {"QueueArn": item["Queue"], "Events": [item["Event"]], "Filter": {"Key": {"FilterRules": rules}}}
        )
    builder.plane.client("s3").put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": configurations}
    )


@MAKERS.of("AWS::S3::BucketPolicy", "Bucket PolicyDocument")
def make_bucket_policy(builder: Builder, name: str, properties: Properties) -> Made:
    policy = json.dumps(properties["PolicyDocument"])
    builder.plane.client("s3").put_bucket_policy(Bucket=properties["Bucket"], Policy=policy)
    return Made(properties["Bucket"])


# Messages -------------------------------------------------------------------------------------------------

_QUEUE_ATTRIBUTES = (
    "VisibilityTimeout",
    "MessageRetentionPeriod",
    "DelaySeconds",
    "MaximumMessageSize",
    "ReceiveMessageWaitTimeSeconds",
    "FifoQueue",
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoThroughputLimit",
)


@MAKERS.of(
    "AWS::SQS::Queue",
    f"QueueName RedrivePolicy {' '.join(_QUEUE_ATTRIBUTES)}",
    ignored="SqsManagedSseEnabled",
)
def make_queue(builder: Builder, name: str, properties: Properties) -> Made:
    sqs = builder.plane.client("sqs")
    queue = builder.named(properties.get("QueueName"), name)
    attributes = {key: _attribute(properties[key]) for key in _QUEUE_ATTRIBUTES if key in properties}
    if redrive := properties.get("RedrivePolicy"):
        attributes["RedrivePolicy"] = json.dumps(redrive)
    url = sqs.create_queue(QueueName=queue, Attributes=attributes)["QueueUrl"]
    return Made(url, {"Arn": builder.arn("sqs", queue), "QueueName": queue, "QueueUrl": url})


def _attribute(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@MAKERS.of("AWS::SQS::QueuePolicy", "Queues PolicyDocument")
def make_queue_policy(builder: Builder, name: str, properties: Properties) -> Made:
    policy = json.dumps(properties["PolicyDocument"])
    for url in properties["Queues"]:
        builder.plane.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return Made(builder.named(None, name))


def _accepts_s3(builder: Builder, queue_arn: str, bucket_arn: str) -> bool:
    """Whether the queue's policy lets S3 send what happens in the bucket."""
    sqs = builder.plane.client("sqs")
    url = sqs.get_queue_url(QueueName=queue_arn.rsplit(":", 1)[-1])["QueueUrl"]
    policy = (
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes", {}).get("Policy")
    )
    call = Call("sqs:SendMessage", queue_arn, {"aws:SourceArn": bucket_arn, "aws:SourceAccount": ACCOUNT})
    s3 = Principal("Service", "s3.amazonaws.com")
    return bool(policy) and judge([json.loads(policy)], call, s3) is Verdict.ALLOWED


@MAKERS.of("AWS::SNS::Topic", "TopicName DisplayName")
def make_topic(builder: Builder, name: str, properties: Properties) -> Made:
    topic = builder.named(properties.get("TopicName"), name)
    arn = builder.plane.client("sns").create_topic(Name=topic)["TopicArn"]
    return Made(arn, {"TopicArn": arn, "TopicName": topic})


@MAKERS.of("AWS::SNS::TopicPolicy", "Topics PolicyDocument")
def make_topic_policy(builder: Builder, name: str, properties: Properties) -> Made:
    policy = json.dumps(properties["PolicyDocument"])
    for arn in properties["Topics"]:
        sns = builder.plane.client("sns")
        sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
    return Made(builder.named(None, name))


@MAKERS.of("AWS::SNS::Subscription", "TopicArn Protocol Endpoint RawMessageDelivery")
def make_subscription(builder: Builder, name: str, properties: Properties) -> Made:
    topic, endpoint = properties["TopicArn"], properties["Endpoint"]
    if properties["Protocol"] != "sqs":
        raise TemplateError(
            f"{name} subscribes {properties['Protocol']}; the local stack delivers to queues only"
        )
    raw = {"RawMessageDelivery": _attribute(properties.get("RawMessageDelivery", False))}
    answer = builder.plane.client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=endpoint, Attributes=raw, ReturnSubscriptionArn=True
    )
    return Made(answer["SubscriptionArn"])


# Permissions, secrets, logs, alarms -----------------------------------------------------------------------

_LOG_ACTIONS = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
#: What AWS's own policies allow that SAM attaches to functions. moto does not hold them.
_MANAGED_ACTIONS = {
    "AWSLambdaBasicExecutionRole": _LOG_ACTIONS,
    "AWSLambdaSQSQueueExecutionRole": [
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        *_LOG_ACTIONS,
    ],
}


@MAKERS.of(
    "AWS::IAM::Role",
    "RoleName AssumeRolePolicyDocument Policies ManagedPolicyArns",
    ignored="Path MaxSessionDuration",
)
def make_role(builder: Builder, name: str, properties: Properties) -> Made:
    iam = builder.plane.client("iam")
    role = builder.named(properties.get("RoleName"), name)
    trust = json.dumps(properties["AssumeRolePolicyDocument"])
    made = iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)["Role"]
    for policy in properties.get("Policies", []):
        document = json.dumps(policy["PolicyDocument"])
        iam.put_role_policy(RoleName=role, PolicyName=policy["PolicyName"], PolicyDocument=document)
    for arn in properties.get("ManagedPolicyArns", []):
        policy_name = arn.rpartition("/")[2]
        if policy_name not in _MANAGED_ACTIONS:
            raise TemplateError(f"{name} has the managed policy {arn}; write out what it allows as Policies")
        statement = {"Effect": "Allow", "Action": _MANAGED_ACTIONS[policy_name], "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName=role, PolicyName=policy_name, PolicyDocument=document)
    return Made(role, {"Arn": made["Arn"], "RoleId": made["RoleId"]})


@MAKERS.of("AWS::IAM::Policy", "PolicyName PolicyDocument Roles")
def make_policy(builder: Builder, name: str, properties: Properties) -> Made:
    document = json.dumps(properties["PolicyDocument"])
    for role in properties["Roles"]:
        builder.plane.client("iam").put_role_policy(
            RoleName=role, PolicyName=properties["PolicyName"], PolicyDocument=document
        )
    return Made(builder.named(None, name))


@MAKERS.of("AWS::SecretsManager::Secret", "Name SecretString GenerateSecretString", ignored="KmsKeyId")
def make_secret(builder: Builder, name: str, properties: Properties) -> Made:
    secrets = builder.plane.client("secretsmanager")
    text = properties.get("SecretString", "")
    if generate := properties.get("GenerateSecretString"):
        options = {
            key: generate[key] for key in generate if key.startswith(("Exclude", "Include", "Require"))
        }
        length = int(generate.get("PasswordLength", 32))
        text = secrets.get_random_password(PasswordLength=length, **options)["RandomPassword"]
        if "GenerateStringKey" in generate:
            document = json.loads(generate.get("SecretStringTemplate", "{}"))
            text = json.dumps(document | {generate["GenerateStringKey"]: text})
    arn = secrets.create_secret(Name=builder.named(properties.get("Name"), name), SecretString=text)["ARN"]
    return Made(arn, {"Id": arn})


@MAKERS.of("AWS::Logs::LogGroup", "LogGroupName RetentionInDays", ignored="KmsKeyId LogGroupClass")
def make_log_group(builder: Builder, name: str, properties: Properties) -> Made:
    group = builder.named(properties.get("LogGroupName"), name)
    logs = builder.plane.client("logs")
    logs.create_log_group(logGroupName=group)
    if days := properties.get("RetentionInDays"):
        logs.put_retention_policy(logGroupName=group, retentionInDays=int(days))
    return Made(group, {"Arn": f"{builder.arn('logs', f'log-group:{group}')}:*"})


_ALARM_TEXTS = (
    "AlarmDescription",
    "Namespace",
    "MetricName",
    "Dimensions",
    "Statistic",
    "ComparisonOperator",
    "TreatMissingData",
    "AlarmActions",
    "OKActions",
)
_ALARM_NUMBERS = {"Period": int, "EvaluationPeriods": int, "DatapointsToAlarm": int, "Threshold": float}


@MAKERS.of("AWS::CloudWatch::Alarm", f"AlarmName {' '.join(_ALARM_TEXTS)} {' '.join(_ALARM_NUMBERS)}")
def make_alarm(builder: Builder, name: str, properties: Properties) -> Made:
    alarm = builder.named(properties.get("AlarmName"), name)
    texts = {key: properties[key] for key in _ALARM_TEXTS if key in properties}
    numbers = {key: read(properties[key]) for key, read in _ALARM_NUMBERS.items() if key in properties}
    builder.plane.client("cloudwatch").put_metric_alarm(AlarmName=alarm, **texts, **numbers)
    return Made(alarm, {"Arn": builder.arn("cloudwatch", f"alarm:{alarm}")})
