"""What SageMaker does as an endpoint's execution role: read inputs, write answers, publish endings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from webui_async.local.control_plane import Credentials
from webui_async.local.endpoint_spec import split_uri
from webui_async.local.errors import EndpointFailed, PublishFailed
from webui_async.store import Store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient


class Account(Protocol):
    """The control plane, as the hosting sees it. ControlPlane is one."""

    endpoint_url: str
    region: str

    def client(self, name: str, credentials: Credentials | None = None) -> Any:
        """A boto3 client, the administrator's unless told otherwise."""

    def assume(self, role_arn: str, service: str = ...) -> Credentials:
        """Credentials of the role, as `service` gets them."""

    def tell(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """What a route of moto_routes.py answers. Raises StackError."""


class ExecutionRole:
    """The role's own clients, so that what its policy forbids fails here as it would on AWS."""

    def __init__(self, arn: str, account: Account):
        """Raises EndpointFailed or StackError when SageMaker cannot take on the role."""
        self.arn = arn
        try:
            credentials = account.assume(arn, "sagemaker.amazonaws.com")
        except (ClientError, BotoCoreError) as error:
            raise EndpointFailed(f"SageMaker cannot take on role {arn}: {error}") from error
        #: what a container finds instead of SageMaker's credentials address, and where AWS is
        self.environment: dict[str, str] = credentials.environment() | {
            "AWS_REGION": account.region,
            "AWS_ENDPOINT_URL": account.endpoint_url,
        }
        self.s3: S3Client = account.client("s3", credentials)
        self._sns: SNSClient = account.client("sns", credentials)
        self._account, self._credentials = account, credentials

    @property
    def logs(self) -> Any:
        """A client of CloudWatch Logs."""
        return self._account.client("logs", self._credentials)

    def read(self, uri: str) -> bytes | None:
        """The object's bytes, or None when there is none. Raises StoreError."""
        bucket, key = split_uri(uri)
        return Store(self.s3, bucket).get_bytes(key)

    def write(self, uri: str, data: bytes, content_type: str) -> None:
        """Raises StoreError."""
        bucket, key = split_uri(uri)
        Store(self.s3, bucket).put_bytes(key, data, content_type)

    def publish(self, topic_arn: str, message: Mapping[str, Any]) -> None:
        """Raises PublishFailed."""
        try:
            self._sns.publish(TopicArn=topic_arn, Message=json.dumps(message))
        except (ClientError, BotoCoreError) as error:
            raise PublishFailed(f"role {self.arn} cannot publish to {topic_arn}: {error}") from error
