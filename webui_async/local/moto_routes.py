"""Three routes in front of moto that AWS does not have: what the hosting and tests tell the control plane.

    PUT /_local/hosting                  {"is_here": true}
    PUT /_local/endpoints/{name}         moto_endpoints.Report; answers {"status": "InService"}
    PUT /_local/quotas/{instance type}   {"instances": 0}

No bucket can be called `_local`, so nothing of S3's is hidden.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from webui_async.local.authority import Application, StartResponse
from webui_async.local.moto_endpoints import Report
from webui_async.local.moto_sagemaker import SageMaker

PREFIX = "/_local/"
_KEY = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/\s]+)/")


class Routes:
    """A WSGI application: ours for the administrator, moto's for everything else."""

    def __init__(self, application: Application, sagemaker: SageMaker, region: str, admin_key: str | None):
        """admin_key: the access key id that may use our routes; None lets everybody."""
        self._application, self._sagemaker = application, sagemaker
        self._region, self._admin_key = region, admin_key

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = str(environ["PATH_INFO"])
        if not path.startswith(PREFIX):
            return self._application(environ, start_response)
        signed = _KEY.match(environ.get("HTTP_AUTHORIZATION", ""))
        if self._admin_key is not None and (signed is None or signed.group(1) != self._admin_key):
            return _answer(start_response, "403 Forbidden", {"message": "only the administrator may do this"})
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        try:
            answer = self._hear(*path.removeprefix(PREFIX).partition("/")[::2], json.loads(body))
        except (ValueError, TypeError, KeyError) as error:
            return _answer(start_response, "400 Bad Request", {"message": f"{path}: {error!r}"})
        return _answer(start_response, "200 OK", answer)

    def _hear(self, what: str, name: str, document: dict[str, Any]) -> dict[str, Any]:
        if what == "hosting":
            self._sagemaker.set_hosted(document["is_here"])
        elif what == "quotas":
            self._sagemaker.set_quota(name, document["instances"])
        elif what == "endpoints":
            return {"status": self._sagemaker.report(self._region, name, Report(**document))}
        else:
            raise KeyError(what)
        return {}


def _answer(start_response: StartResponse, status: str, document: dict[str, Any]) -> list[bytes]:
    body = json.dumps(document).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
