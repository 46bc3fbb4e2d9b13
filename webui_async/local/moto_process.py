"""The control plane's process: a moto server behind our authority.

Prints one line of JSON, `{"port", "access_key_id", "secret_access_key"}`, once it listens: the keys are those
of an administrator. It lives as long as its standard input stays open, so it never outlives who started it.

    python -m webui_async.local.moto_process eu-central-1
"""

from __future__ import annotations

import functools
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any

from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.access_control import PermissionResult
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import FakeBucket
from moto.sns.models import Subscription
from moto.sqs.models import Queue
from werkzeug.serving import make_server

from webui_async.local.authority import Application, Authority, Caller, StartResponse
from webui_async.local.moto_routes import Routes
from webui_async.local.moto_sagemaker import SageMaker
from webui_async.local.policy import Call, Document, Principal, Verdict, judge

_ADMINISTRATOR = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


class MotoDirectory:
    """Users, sessions and policies, as moto's own backends hold them."""

    account = DEFAULT_ACCOUNT_ID

    def __init__(self, region: str):
        self.region = region

    def _backend(self, service: str, region: str) -> Any:
        return get_backend(service)[self.account][region]

    def caller(self, access_key_id: str) -> Caller | None:
        """Who holds the key; None when nobody does."""
        iam = self._backend("iam", "aws")
        session = self._backend("sts", "aws").get_assumed_role_from_access_key(access_key_id)
        if session is not None:
            policies = self._role_policies(iam, session.role_arn)
            return Caller(
                session.arn, session.role_arn, session.secret_access_key, session.session_token, policies
            )
        for user in iam.users.values():
            for key in user.access_keys:
                if key.access_key_id == access_key_id:
                    policies = tuple(_document(text) for text in user.policies.values())
                    return Caller(user.arn, user.arn, key.secret_access_key, None, policies)
        return None

    def _role_policies(self, iam: Any, role_arn: str) -> tuple[Document, ...]:
        role = iam.get_role_by_arn(role_arn)
        attached = tuple(_document(policy.document) for policy in role.managed_policies.values())
        return tuple(_document(text) for text in role.policies.values()) + attached

    def resource_policies(self, service: str, arn: str) -> tuple[Document, ...]:
        """The policy of the bucket, queue or topic."""
        name = arn.rsplit(":", 1)[-1]
        text: str | bytes | None = None
        if service == "s3":
            bucket = self._backend("s3", "aws").buckets.get(name.partition("/")[0])
            text = bucket.policy if bucket else None
        elif service == "sqs":
            queue = self._backend("sqs", self.region).queues.get(name)
            text = queue.policy if queue else None
        elif service == "sns":
            topic = self._backend("sns", self.region).topics.get(arn)
            text = topic.policy if topic else None
        return (_document(text),) if text else ()

    def make_administrator(self) -> tuple[str, str]:
        """Access key id and secret of a new user who may do everything."""
        iam = self._backend("iam", "aws")
        iam.create_user(self.region, "administrator")
        iam.put_user_policy("administrator", "everything", json.dumps(_ADMINISTRATOR))
        key = iam.create_access_key("administrator")
        return key.access_key_id, key.secret_access_key


@functools.lru_cache(maxsize=1024)
def _document(text: str | bytes) -> Document:
    document: Document = json.loads(text)
    return document


def _open_moto() -> None:
    """Take out of moto what stands in the road."""
    # It reads every conditional Deny as unconditional; the authority has judged the bucket's policy by then.
    FakeBucket.get_permission = lambda *_: PermissionResult.NEUTRAL
    # It spins while a FIFO queue holds messages of a group that is being worked on.
    Queue.wait_for_messages = wait_without_spinning


def _better_sagemaker() -> SageMaker:
    sagemaker = SageMaker()
    sagemaker.install(setattr)
    return sagemaker


def wait_without_spinning(queue: Any, timeout: float) -> None:
    """What a moto queue does until there may be messages to receive."""
    with queue._messages_lock:
        queue._messages_lock.wait(0.05 if queue.messages else timeout)


def _heed_queue_policies(directory: MotoDirectory) -> None:
    """A topic's message reaches a queue only where the queue's policy lets it in; moto does not look."""
    deliver = Subscription.publish

    def publish(subscription: Any, *arguments: Any, **options: Any) -> None:
        if subscription.protocol == "sqs":
            source = {"aws:SourceArn": subscription.topic.arn, "aws:SourceAccount": directory.account}
            call = Call("sqs:SendMessage", subscription.endpoint, source)
            policies = directory.resource_policies("sqs", subscription.endpoint)
            if judge(policies, call, Principal("Service", "sns.amazonaws.com")) is not Verdict.ALLOWED:
                return
        deliver(subscription, *arguments, **options)

    Subscription.publish = publish


class OneByOne:
    """Conditional writes one after another: moto looks and writes in two steps, S3 in one."""

    def __init__(self, application: Application):
        self.application, self._lock = application, threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if "HTTP_IF_NONE_MATCH" not in environ:
            return self.application(environ, start_response)
        with self._lock:
            return self.application(environ, start_response)


def _end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main(region: str) -> None:
    """Serve until standard input closes."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    _open_moto()
    directory = MotoDirectory(region)
    _heed_queue_policies(directory)
    access_key_id, secret = directory.make_administrator()
    moto = OneByOne(DomainDispatcherApplication(create_backend_app))
    application = Authority(Routes(moto, _better_sagemaker(), region, access_key_id), directory, time.time)
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    ready = {"port": server.port, "access_key_id": access_key_id, "secret_access_key": secret}
    print(json.dumps(ready), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
