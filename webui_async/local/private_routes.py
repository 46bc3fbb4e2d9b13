"""How the hosting and tests reach the routes of the control plane that are not AWS's: see moto_routes.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Keys
from botocore.exceptions import HTTPClientError
from botocore.httpsession import URLLib3Session

from webui_async.local.errors import StackError

if TYPE_CHECKING:
    from webui_async.local.control_plane import Credentials

_TIMEOUT_S = 10


class PrivateRoutes:
    """Signed by the administrator, whom alone they obey. It can be used from any thread."""

    def __init__(self, endpoint_url: str, admin: Credentials, region: str):
        self._url = f"{endpoint_url}/_local/"
        self._signer = SigV4Auth(Keys(admin.access_key_id, admin.secret_access_key), "local", region)
        # An HTTP proxy in the environment must not see what goes to loopback.
        self._http = URLLib3Session(proxies={}, timeout=_TIMEOUT_S)

    def put(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """The route's answer. Raises StackError."""
        body = json.dumps(document).encode()
        request = AWSRequest("PUT", self._url + quote(path), {"Content-Type": "application/json"}, body)
        self._signer.add_auth(request)
        try:
            answer = self._http.send(request.prepare())
        except HTTPClientError as error:
            raise StackError(f"the control plane does not answer: {error}") from error
        if answer.status_code != 200:
            raise StackError(f"the control plane refuses PUT {path} with {answer.status_code}: {answer.text}")
        found: dict[str, Any] = json.loads(answer.text)
        return found
