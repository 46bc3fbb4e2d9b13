"""The AWS control plane of one machine: a moto server, its administrator, and roles to take on."""

from __future__ import annotations

import functools
import json
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import boto3
from botocore.config import Config

from webui_async.local import children, service_model
from webui_async.local.errors import StackError
from webui_async.local.policy import Call, Principal, Verdict, judge
from webui_async.local.private_routes import PrivateRoutes

ACCOUNT = "123456789012"
REGION = "eu-central-1"


@dataclass(frozen=True)
class Credentials:
    """Keys to sign AWS requests with."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def environment(self) -> dict[str, str]:
        """The credentials as the environment variables that every SDK reads."""
        token = {"AWS_SESSION_TOKEN": self.session_token} if self.session_token else {}
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
        } | token


class ControlPlane:
    """A running moto server. `start` it, and `stop` it whatever happens."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, admin: Credentials, region: str):
        self._process = process
        self._lock = threading.Lock()
        self._roles: dict[str, str] = {}
        self._clients: dict[tuple[str, Credentials], Any] = {}
        self.endpoint_url = f"http://127.0.0.1:{port}"
        self.admin, self.region = admin, region
        self._session = boto3.Session(region_name=region)
        self._private = PrivateRoutes(self.endpoint_url, admin, region)
        service_model.register(self._session.events)

    @classmethod
    def start(cls, work_dir: Path, region: str = REGION) -> ControlPlane:
        """A server that answers, with nothing in it but an administrator."""
        log_path = work_dir / "logs" / "moto.log"
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with log_path.open("ab") as log:
            process = children.start_module("webui_async.local.moto_process", [region], {}, log)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            children.end(process)
            raise StackError(f"the moto server ended at its start; its last words are in {log_path}")
        ready = json.loads(line)
        admin = Credentials(ready["access_key_id"], ready["secret_access_key"])
        return cls(process, ready["port"], admin, region)

    def stop(self) -> None:
        """End the server, and everything it holds with it."""
        children.end(self._process)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @functools.cached_property
    def _config(self) -> Config:
        # An HTTP proxy in the environment must not see what goes to loopback.
        return Config(
            retries={"mode": "standard", "max_attempts": 2},
            proxies={},
            max_pool_connections=50,
            read_timeout=70,
            s3={"addressing_style": "path"},
        )

    def client(self, name: str, credentials: Credentials | None = None) -> Any:
        """A boto3 client of the service, signing as the administrator unless told otherwise."""
        keys = credentials or self.admin
        with self._lock:  # making clients is not thread safe, using them is
            if (name, keys) not in self._clients:
                self._clients[name, keys] = self._make_client(name, keys)
            return self._clients[name, keys]

    def _make_client(self, name: str, keys: Credentials) -> Any:
        return self._session.client(
            name,  # type: ignore[call-overload]
            endpoint_url=self.endpoint_url,
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
            aws_session_token=keys.session_token,
            config=self._config.merge(Config(signature_version="s3v4")) if name == "s3" else self._config,
        )

    def tell(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """What one of our own routes answers: see moto_routes.py. Raises StackError when it does not."""
        return self._private.put(path, document)

    def set_quota(self, instance_type: str, instances: int | None) -> None:
        """All endpoints together may want so many instances of the type; None, as at first: any number."""
        self.tell(f"quotas/{instance_type}", {"instances": instances})

    def assume(self, role_arn: str, service: str = "lambda.amazonaws.com") -> Credentials:
        """Credentials of the role, as the service that runs under it gets them.

        Raises StackError when the role's trust policy does not name that service.
        """
        role_name = role_arn.rsplit("/", 1)[-1]
        role = self.client("iam").get_role(RoleName=role_name)["Role"]
        trust = role["AssumeRolePolicyDocument"]
        document = json.loads(unquote(trust)) if isinstance(trust, str) else trust
        if (
            judge([document], Call("sts:AssumeRole", role_arn), Principal("Service", service))
            is not Verdict.ALLOWED
        ):
            raise StackError(
                f"role {role_name} does not trust {service}: add it to its AssumeRolePolicyDocument"
            )
        answer = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName=service.partition(".")[0])
        keys = answer["Credentials"]
        with self._lock:
            self._roles[keys["AccessKeyId"]] = role_name
        return Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])

    def role_of(self, access_key_id: str) -> str | None:
        """The name of the role that the key was given for; None for a key that we did not give."""
        with self._lock:
            return self._roles.get(access_key_id)
