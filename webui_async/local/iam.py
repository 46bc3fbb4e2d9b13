"""What a role may do, for the one service that does not pass through moto: InvokeEndpointAsync."""

from __future__ import annotations

import json
import threading
from typing import Any
from urllib.parse import unquote

from webui_async.local.control_plane import ControlPlane
from webui_async.local.policy import Call, Document, Verdict, judge


class Permissions:
    """The policies of the roles that the control plane gave keys for. A role's policies are read once."""

    def __init__(self, plane: ControlPlane):
        self._plane = plane
        self._lock = threading.Lock()
        self._policies: dict[str, tuple[Document, ...]] = {}

    def is_allowed(self, access_key_id: str, action: str, resource_arn: str) -> bool:
        """Whether who holds the key may do this. The administrator may; a key of nobody's may not."""
        if access_key_id == self._plane.admin.access_key_id:
            return True
        role_name = self._plane.role_of(access_key_id)
        if role_name is None:
            return False
        return judge(self._policies_of(role_name), Call(action, resource_arn)) is Verdict.ALLOWED

    def _policies_of(self, role_name: str) -> tuple[Document, ...]:
        with self._lock:
            if role_name not in self._policies:
                self._policies[role_name] = self._read(role_name)
            return self._policies[role_name]

    def _read(self, role_name: str) -> tuple[Document, ...]:
        iam = self._plane.client("iam")
        names = iam.list_role_policies(RoleName=role_name)["PolicyNames"]
        answers = (iam.get_role_policy(RoleName=role_name, PolicyName=name) for name in names)
        return tuple(_document(answer["PolicyDocument"]) for answer in answers)


def _document(value: Any) -> Document:
    document: Document = json.loads(unquote(value)) if isinstance(value, str) else value
    return document
