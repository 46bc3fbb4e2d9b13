"""What a notebook finds in SageMaker Studio, on this machine: a role's credentials and name, and the SDK.

The role may do what docs/security.md says an operator has to be allowed, and no more: so that list is tested.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.contract.operator_policy import operator_policy
from webui_async.local.cloud import STACK
from webui_async.local.control_plane import ACCOUNT, Credentials
from webui_async.local.stack import ROOT, Stack

ROLE = "studio"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
#: The SDK asks STS's public address unless it finds Studio's file, whose place it has in a constant.
_STARTUP = """import os
import sagemaker.core.helper.session_helper as helper
helper.NOTEBOOK_METADATA_FILE = os.environ["STUDIO_METADATA_FILE"]
"""


class Studio:
    """Runs notebooks with the Python of their own environment."""

    def __init__(self, stack: Stack, python: Path, folder: Path):
        """folder: what notebooks write, their executed copies included."""
        self._stack, self._python, self.folder = stack, python, folder
        self._role_arn = self._make_role()

    def run(
        self, notebook: str, parameters: Mapping[str, Any], keys: Credentials | None = None
    ) -> dict[str, Any]:
        """The executed notebook, as JSON. Fails with what the failing cell said.

        keys: whose notebook it is; the role's own when None.
        """
        path = ROOT / "notebooks" / f"{notebook}.ipynb"
        self.folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [self._python, ROOT / "tests/notebooks/execute.py", path, json.dumps(parameters)],
            cwd=self.folder,
            env=self._environment(keys or self._role_keys()),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        executed: dict[str, Any] = json.loads((self.folder / path.name).read_text())
        return executed

    def _make_role(self) -> str:
        iam = self._stack.cloud.client("iam")
        role = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(_TRUST))["Role"]
        policy = operator_policy(self._places(), "security.md", "models.md")
        iam.put_role_policy(RoleName=ROLE, PolicyName="operator", PolicyDocument=json.dumps(policy))
        return str(role["Arn"])

    def _places(self) -> dict[str, str]:
        outputs, plane = self._stack.outputs, self._stack.cloud.plane
        return {
            "REGION": plane.region,
            "ACCOUNT": ACCOUNT,
            "STACK": STACK,
            "ENDPOINT": outputs["EndpointName"],
            "BUCKET": outputs["BucketName"],
            "REPOSITORY": self._stack.cloud.deployed.parameters["ImageRepository"],
        }

    def _role_keys(self) -> Credentials:
        return self._stack.cloud.plane.assume(self._role_arn, "sagemaker.amazonaws.com")

    def _environment(self, keys: Credentials) -> dict[str, str]:
        plane = self._stack.cloud.plane
        home = self.folder / "home"
        startup = home / "ipython/profile_default/startup"
        startup.mkdir(parents=True, exist_ok=True)
        (startup / "00-studio.py").write_text(_STARTUP)
        metadata = home / "resource-metadata.json"
        metadata.write_text(json.dumps({"ExecutionRoleArn": self._role_arn}))
        return keys.environment() | {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "IPYTHONDIR": str(home / "ipython"),
            "STUDIO_METADATA_FILE": str(metadata),
            "AWS_REGION": plane.region,
            "AWS_DEFAULT_REGION": plane.region,
            "AWS_ENDPOINT_URL": plane.endpoint_url,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": self._stack.hosting.url,
        }
