"""What DeleteStack takes away: of everything that the makers make, the opposite."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from webui_async.local.control_plane import ControlPlane
from webui_async.local.deployed import MadeResource

log = logging.getLogger(__name__)

#: Seconds between two looks at the stack.
_PERIOD_S = 0.5
#: How services say that somebody was faster.
_GONE = ("NoSuch", "NotFound", "NonExistent", "does not exist")

Remove = Callable[[ControlPlane, str], None]


def _remove_role(plane: ControlPlane, role: str) -> None:
    iam = plane.client("iam")
    for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        iam.delete_role_policy(RoleName=role, PolicyName=policy)
    iam.delete_role(RoleName=role)


#: Resource type -> what takes away the one whose Ref is given.
REMOVERS: dict[str, Remove] = {
    "AWS::S3::Bucket": lambda plane, ref: plane.client("s3").delete_bucket(Bucket=ref),
    "AWS::S3::BucketPolicy": lambda plane, ref: plane.client("s3").delete_bucket_policy(Bucket=ref),
    "AWS::SQS::Queue": lambda plane, ref: plane.client("sqs").delete_queue(QueueUrl=ref),
    "AWS::SNS::Topic": lambda plane, ref: plane.client("sns").delete_topic(TopicArn=ref),
    "AWS::SNS::Subscription": lambda plane, ref: plane.client("sns").unsubscribe(SubscriptionArn=ref),
    "AWS::IAM::Role": _remove_role,
    "AWS::SecretsManager::Secret": lambda plane, ref: plane.client("secretsmanager").delete_secret(
        SecretId=ref, ForceDeleteWithoutRecovery=True
    ),
    "AWS::Logs::LogGroup": lambda plane, ref: plane.client("logs").delete_log_group(logGroupName=ref),
    "AWS::CloudWatch::Alarm": lambda plane, ref: plane.client("cloudwatch").delete_alarms(AlarmNames=[ref]),
    "AWS::ApiGateway::ApiKey": lambda plane, ref: plane.client("apigateway").delete_api_key(apiKey=ref),
}
#: Types that go with what they hang on, and those that end when the functions, the API and the events do.
WITHOUT_TRACE = frozenset(
    {
        "AWS::SQS::QueuePolicy",
        "AWS::SNS::TopicPolicy",
        "AWS::IAM::Policy",
        "AWS::Lambda::Function",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Permission",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Events::Rule",
        "AWS::ApiGateway::RestApi",
        "AWS::ApiGateway::GatewayResponse",
        "AWS::ApiGateway::Deployment",
        "AWS::ApiGateway::Stage",
        "AWS::ApiGateway::Account",
        "AWS::ApiGateway::UsagePlan",
        "AWS::ApiGateway::UsagePlanKey",
    }
)


def remove_all(plane: ControlPlane, resources: Sequence[MadeResource]) -> list[str]:
    """Take the resources away, the last made first. Gives the names of those that could not be.

    What has DeletionPolicy Retain stays, and what somebody else took away already is no trouble.
    """
    left = []
    for resource in reversed(resources):
        if resource.is_retained or resource.type in WITHOUT_TRACE:
            continue
        try:
            REMOVERS[resource.type](plane, resource.ref)
        except (ClientError, BotoCoreError) as error:
            if any(word in str(error) for word in _GONE):
                continue
            log.error("%s (%s) cannot be removed: %s", resource.name, resource.type, error)
            left.append(resource.name)
    return left


class StackWatch:
    """Looks at the recorded stack, and does `on_deleted` once when somebody has deleted it."""

    def __init__(
        self,
        plane: ControlPlane,
        stack_id: str,
        on_deleted: Callable[[], None],
        period_s: float = _PERIOD_S,
    ):
        self._plane, self._stack_id, self._on_deleted, self._period_s = plane, stack_id, on_deleted, period_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stack-watch", daemon=True)

    def start(self) -> None:
        """Look until `stop`, or until the stack was deleted."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more. A take-down that has begun is waited for."""
        self._stopping.set()
        self._thread.join()

    def is_deleted(self) -> bool:
        """Whether DeleteStack was called; no while the control plane does not answer."""
        try:
            answer = self._plane.client("cloudformation").describe_stacks(StackName=self._stack_id)
        except (ClientError, BotoCoreError) as error:
            log.debug("the stack cannot be looked at: %s", error)
            return False
        return str(answer["Stacks"][0]["StackStatus"]).startswith("DELETE_")

    def _run(self) -> None:
        while not self._stopping.wait(self._period_s):
            if self.is_deleted():
                self._on_deleted()
                return
