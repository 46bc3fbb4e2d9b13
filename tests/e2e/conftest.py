"""The local stack with an engine that takes a fixed time per step: only the picture is plain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.road import Road, engine_command
from webui_async.local.receiver import Receiver
from webui_async.local.stack import Options, Stack


def open_road(work_dir: Path, closing: ExitStack, **options: Any) -> Road:
    """A running stack that `closing` will stop."""
    receiver = closing.enter_context(Receiver())
    parameters = {"CallbackAllowHosts": receiver.host} | options.pop("parameters", {})
    whole = {"engine_command": engine_command()} | options
    stack = closing.enter_context(Stack(Options(work_dir, parameters=parameters, **whole)))
    receiver.secrets = [stack.callback_secret()]
    stack.wait_ready()
    return Road(stack, closing.enter_context(stack.client()), receiver)


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """One stack for the tests of a module."""
    with ExitStack() as closing:
        yield open_road(tmp_path_factory.mktemp("stack"), closing)


@pytest.fixture
def make_road(tmp_path: Path) -> Iterator[Callable[..., Road]]:
    """make_road(**options) -> a stack of the test's own."""
    with ExitStack() as closing:
        yield lambda **options: open_road(tmp_path, closing, **options)
