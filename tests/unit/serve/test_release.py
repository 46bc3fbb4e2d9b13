from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from serve.answers import Answer
from serve.invocation import Invocation, answer_invocation
from serve.release import release_all
from tests.unit.serve.conftest import InWorld
from tests.unit.serve.fakes import World, until
from tests.unit.serve.test_run_job import invoke
from webui_async.contract import keys
from webui_async.contract.errors import ContainerFull, ContainerStopping, StoreError
from webui_async.contract.job import Attempt, Job, Result, Status
from webui_async.store import Store


async def begun(world: World, attempt: int = 1) -> tuple[Job, asyncio.Task[Answer]]:
    """A job that is being drawn for as long as the test likes."""
    world.webui.gate.clear()
    job = world.accept(attempts=attempt)
    call = invoke(world, job, attempt)
    await until(lambda: world.webui.drawings)
    return job, call


def test_what_is_drawn_and_what_waits_is_released_under_its_own_attempt(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        drawn, call = await begun(world, attempt=3)
        held = world.accept()
        held_call = invoke(world, held)
        await until(lambda: len(world.container.scheduler.hands) == 2)
        await release_all(world.container)
        for job, answer, attempt in ((drawn, call, 3), (held, held_call, 1)):
            files = world.store.files(job.id)
            assert files.has(keys.released(job.id, attempt)) and not files.has(keys.result(job.id))
            with pytest.raises(ContainerStopping):
                await answer
        assert world.webui.interrupts == 1 and world.container.scheduler.hands == []

    in_world(test)


def test_the_release_is_written_before_the_503_is_answered(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(world: World) -> None:
        _, call = await begun(world)
        answered_first = []
        put_json = Store.put_json

        def put(self: Store, key: str, *rest: Any) -> bool:
            if key.endswith("released.json"):
                answered_first.append(call.done())
            return put_json(self, key, *rest)

        monkeypatch.setattr(Store, "put_json", put)
        await release_all(world.container)
        assert answered_first == [False]
        with pytest.raises(ContainerStopping):
            await call

    in_world(test)


def test_a_later_attempt_that_had_joined_is_the_one_released(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        job, call = await begun(world)
        world.store.put_json(keys.queued(job.id, 2), Attempt(2, 0.0).to_json())
        second = invoke(world, job, 2)
        await until(lambda: world.container.scheduler.hands[0].attempt == 2)
        await release_all(world.container)
        assert world.store.files(job.id).has(keys.released(job.id, 2))
        assert all(
            isinstance(error, ContainerStopping)
            for error in await asyncio.gather(call, second, return_exceptions=True)
        )

    in_world(test)


def test_pictures_on_their_way_to_the_bucket_are_let_through(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(world: World) -> None:
        job, call = await begun(world)
        slow(monkeypatch, seconds=0.2)
        world.webui.gate.set()
        await until(lambda: world.container.scheduler.hands[0].is_ending)
        await release_all(world.container)
        assert (await call).status_code == 200
        files = world.store.files(job.id)
        assert files.has(keys.result(job.id)) and not files.has(keys.released(job.id, 1))

    in_world(test)


def test_pictures_that_take_too_long_are_released_and_their_late_result_stands(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(world: World) -> None:
        job, call = await begun(world)
        slow(monkeypatch, seconds=0.5)
        world.webui.gate.set()
        await until(lambda: world.container.scheduler.hands[0].is_ending)
        await release_all(world.container)
        assert world.store.files(job.id).has(keys.released(job.id, 1))
        with pytest.raises(ContainerStopping):
            await call

    in_world(test, shutdown_s=0.5)


def slow(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Pictures take `seconds` to be written."""
    put_bytes = Store.put_bytes

    def put(self: Store, key: str, *rest: Any) -> bool:
        if key.endswith(".png"):
            time.sleep(seconds)
        return put_bytes(self, key, *rest)

    monkeypatch.setattr(Store, "put_bytes", put)


def test_a_drawing_that_ends_at_that_very_moment_is_never_lost(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(world: World) -> None:
        job, call = await begun(world)
        put_json = Store.put_json
        loop = asyncio.get_running_loop()

        def put(self: Store, key: str, *rest: Any, **named: Any) -> bool:
            if key.endswith("released.json"):
                loop.call_soon_threadsafe(world.webui.gate.set)
                time.sleep(0.2)  # the drawing ends, and its result is written, before the release is
            return put_json(self, key, *rest, **named)

        monkeypatch.setattr(Store, "put_json", put)
        await release_all(world.container)
        result = world.store.result(job.id)
        assert result is not None and result.status is Status.SUCCEEDED
        assert (await call).status_code == 200

    in_world(test)


def test_a_job_that_comes_after_sigterm_is_released_at_once(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await release_all(world.container)
        job = world.accept()
        with pytest.raises(ContainerStopping):
            await invoke(world, job)
        assert world.store.files(job.id).has(keys.released(job.id, 1)) and world.webui.drawings == []

    in_world(test)


def test_a_direct_invocation_in_hand_is_answered_and_leaves_nothing(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        world.webui.gate.clear()
        invocation = Invocation(b'{"prompt": "x", "width": 64, "height": 64}', "by-hand", 1)
        call = asyncio.create_task(answer_invocation(invocation, world.container))
        await until(lambda: world.webui.drawings)
        await release_all(world.container)
        with pytest.raises(ContainerStopping):
            await call
        assert list(world.store.list("")) == []

    in_world(test)


def test_a_release_that_cannot_be_written_still_answers_503(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(self: Store, key: str, *rest: Any, **named: Any) -> bool:
        raise StoreError("S3 is away")

    async def test(world: World) -> None:
        _, call = await begun(world)
        monkeypatch.setattr(Store, "put_json", put)
        await release_all(world.container)
        with pytest.raises(ContainerStopping):
            await call

    in_world(test)


def test_a_job_that_had_ended_elsewhere_keeps_its_ending(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        job, call = await begun(world)
        world.store.end(Result(job.id, Status.EXPIRED, 0.0))
        await release_all(world.container)
        await asyncio.gather(call, return_exceptions=True)
        result = world.store.result(job.id)
        assert result is not None and result.status is Status.EXPIRED

    in_world(test, watch_s=60.0)


def test_more_jobs_than_it_takes_are_refused(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        world.webui.gate.clear()
        calls = [invoke(world, world.accept()) for _ in range(8)]
        await until(lambda: len(world.container.scheduler.hands) == 8)
        with pytest.raises(ContainerFull):
            await invoke(world, world.accept())
        world.webui.gate.set()
        assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200}

    in_world(test)


def test_jobs_are_drawn_one_at_a_time_in_the_order_they_came(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        jobs = [world.accept({"prompt": str(number)}) for number in range(5)]
        world.webui.gate.clear()
        calls = []
        for number, job in enumerate(jobs, 1):
            calls.append(invoke(world, job))
            await until(lambda: len(world.container.scheduler.hands) == number)  # noqa: B023
            await asyncio.sleep(0.05)
        assert len(world.webui.drawings) == 1
        world.webui.gate.set()
        await asyncio.gather(*calls)
        assert [body["prompt"] for body in world.webui.drawings] == ["0", "1", "2", "3", "4"]

    in_world(test)
