"""A mocked AWS, and a way to run a test's coroutine in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from moto import mock_aws

from tests.unit.serve.fakes import World, make_world

InWorld = Callable[..., None]


@pytest.fixture
def in_world(clean_environment: None) -> Iterator[InWorld]:
    """in_world(test, **settings) runs the coroutine function `test` with a fresh world."""

    def run(test: Callable[[World], Awaitable[None]], **settings: Any) -> None:
        async def main() -> None:
            await test(make_world(**settings))

        asyncio.run(main())

    with mock_aws():
        yield run
