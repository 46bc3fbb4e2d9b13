"""No test sees this machine's own settings or AWS account."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest

from webui_async.local import service_model


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("WEBUI_ASYNC_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.fixture(autouse=True, scope="session")
def checked_requests() -> Iterator[None]:
    """Every AWS request of every test is held against botocore's service model, which moto does not do."""

    class Checked(botocore.session.Session):
        def __init__(self, *arguments: Any, **options: Any):
            super().__init__(*arguments, **options)
            service_model.register(self.get_component("event_emitter"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "Session", Checked)
        yield
