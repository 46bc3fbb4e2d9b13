from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from serve import drawing
from serve.answers import Answer
from serve.engine import EngineProgress
from serve.engine_http import ConnectionLost
from serve.heartbeat import JobWatch
from serve.invocation import Invocation, answer_invocation
from serve.scheduler import Hand
from tests.unit.serve.conftest import InWorld
from tests.unit.serve.fakes import NOW, PAYLOAD, World, answered, reply, until
from webui_async.contract import keys
from webui_async.contract.errors import (
    ContainerStopping,
    EngineBroken,
    EngineRefused,
    PipelineError,
    StoreError,
)
from webui_async.contract.job import Attempt, Job, Result, Status
from webui_async.contract.payload import Kind
from webui_async.store import Store


def invoke(world: World, job: Job, attempt: int = 1) -> asyncio.Task[Answer]:
    body = world.store.get_bytes(keys.request(job.id)) or b""
    return asyncio.create_task(answer_invocation(Invocation(body, job.id, attempt), world.container))


async def ended(world: World, job: Job) -> Result:
    await invoke(world, job)
    result = world.store.result(job.id)
    assert result is not None
    return result


def test_pictures_are_written_before_the_reply_and_the_reply_before_the_result(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    put_bytes = Store.put_bytes

    def put(self: Store, key: str, *rest: Any) -> bool:
        written.append(key.rpartition("/")[2])
        return put_bytes(self, key, *rest)

    async def test(world: World) -> None:
        world.webui.answers = [answered(reply(2))]
        job = world.accept(PAYLOAD | {"n_iter": 2}, stock_route=True)
        monkeypatch.setattr(Store, "put_bytes", put)
        await invoke(world, job)
        order = [name for name in written if name != "progress.json"]
        assert sorted(order[:2]) == ["0.png", "1.png"] and order[2:] == ["reply.json", "result.json"]

    in_world(test)


def test_a_job_that_came_over_jobs_has_no_reply_json(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        job = world.accept()
        await invoke(world, job)
        assert not world.store.exists(keys.reply(job.id)) and world.store.exists(keys.result(job.id))

    in_world(test)


def test_what_the_engine_was_sent_is_the_payload(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        await invoke(world, world.accept())
        assert world.webui.drawings == [PAYLOAD]

    in_world(test)


def test_the_samples_format_is_set_only_where_it_changes(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        for image_format in ("png", "jpg", "jpg", None):
            await invoke(world, world.accept(output={"format": image_format} if image_format else {}))
        assert world.webui.options == [{"samples_format": "jpg"}, {"samples_format": "png"}]

    in_world(test)


def test_another_checkpoint_than_asked_is_a_warning(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        world.webui.answers = [answered(reply(sd_model_name="other"))]
        result = await ended(
            world, world.accept(PAYLOAD | {"override_settings": {"sd_model_checkpoint": "ink"}})
        )
        assert len(result.warnings) == 1 and "'ink'" in result.warnings[0] and "'other'" in result.warnings[0]

    in_world(test)


def test_a_drawing_interrupted_by_somebody_else_is_no_success(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        world.webui.gate.clear()
        job = world.accept()
        call = invoke(world, job)
        await until(lambda: world.webui.drawings)
        await world.supervisor.interrupt()
        await call
        result = world.store.result(job.id)
        assert result is not None and result.error is not None and result.error["code"] == "engine_reply"

    in_world(test)


Asked = Callable[[World], tuple[asyncio.Event, asyncio.Event]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """asked(world) -> (set once the engine is asked whether it was interrupted, set to have it answer)."""

    def hold_back(world: World) -> tuple[asyncio.Event, asyncio.Event]:
        is_asked, may_answer = asyncio.Event(), asyncio.Event()
        progress = world.supervisor.engine.progress

        async def answer_later() -> EngineProgress:
            is_asked.set()
            await may_answer.wait()
            return await progress()

        monkeypatch.setattr(world.supervisor.engine, "progress", answer_later)
        return is_asked, may_answer

    return hold_back


def test_pictures_are_put_while_the_engine_is_asked_and_nothing_is_public_before_it_answers(
    in_world: InWorld, asked: Asked
) -> None:
    async def test(world: World) -> None:
        _, may_answer = asked(world)
        job = world.accept(stock_route=True)
        call = invoke(world, job)
        await until(lambda: any(entry.key.endswith("/0.png") for entry in world.store.list(keys.job(job.id))))
        assert world.store.result(job.id) is None and not world.store.exists(keys.reply(job.id))
        may_answer.set()
        await call
        result = world.store.result(job.id)
        assert result is not None and result.status is Status.SUCCEEDED and len(result.images) == 1

    in_world(test)


def test_of_an_interrupted_drawing_nothing_is_public(in_world: InWorld, asked: Asked) -> None:
    async def test(world: World) -> None:
        is_asked, may_answer = asked(world)
        job = world.accept(stock_route=True)
        call = invoke(world, job)
        await is_asked.wait()
        world.webui.is_interrupted = True
        may_answer.set()
        assert b"interrupted" in (await call).body
        result = world.store.result(job.id)
        assert result is not None and result.status is Status.FAILED and result.images == ()
        assert not world.store.exists(keys.reply(job.id))

    in_world(test)


def test_the_next_drawing_begins_once_the_engine_has_told_of_the_last(
    in_world: InWorld, asked: Asked
) -> None:
    async def test(world: World) -> None:
        is_asked, may_answer = asked(world)
        calls = [invoke(world, world.accept()) for _ in range(2)]
        await is_asked.wait()
        await asyncio.sleep(0.05)
        assert len(world.webui.drawings) == 1
        may_answer.set()
        await asyncio.gather(*calls)
        assert len(world.webui.drawings) == 2

    in_world(test)


def test_a_job_given_back_while_the_engine_is_asked_has_no_ending(in_world: InWorld, asked: Asked) -> None:
    async def test(world: World) -> None:
        is_asked, _ = asked(world)
        job = world.accept()
        call = invoke(world, job)
        await is_asked.wait()
        (hand,) = world.container.scheduler.hands
        hand.task.cancel()
        with pytest.raises(ContainerStopping):
            await call
        await asyncio.get_running_loop().shutdown_default_executor()  # no thread waits for an answer any more
        assert world.store.result(job.id) is None

    in_world(test)


def test_fewer_pictures_than_asked_are_no_success(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        result = await ended(world, world.accept(PAYLOAD | {"n_iter": 4}))
        assert result.status is Status.FAILED and "1 of 4" in str(result.error)

    in_world(test)


def test_a_cancel_that_comes_with_the_last_step_wins_over_the_picture(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        world.webui.gate.clear()
        job = world.accept()
        call = invoke(world, job)
        await until(lambda: world.webui.drawings)
        world.store.put_json(keys.cancel(job.id), {})
        await until(lambda: world.webui.interrupts)
        await call
        result = world.store.result(job.id)
        assert result is not None and result.status is Status.CANCELED and result.images == ()
        assert world.supervisor.starts == 1

    in_world(test)


def test_an_interrupt_that_the_engine_forgets_is_sent_again(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "_INTERRUPT_AGAIN_S", 0.01)

    async def test(world: World) -> None:
        world.webui.gate.clear()
        world.webui.interrupts_lost = 2
        job = world.accept()
        call = invoke(world, job)
        await until(lambda: world.webui.drawings)
        world.store.put_json(keys.cancel(job.id), {})
        assert (await call).body.count(b"canceled") and world.webui.interrupts >= 3

    in_world(test)


def test_an_engine_that_cannot_be_interrupted_is_killed(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "INTERRUPT_PATIENCE_S", 0.05)
    monkeypatch.setattr(drawing, "_INTERRUPT_AGAIN_S", 0.01)

    async def test(world: World) -> None:
        world.webui.gate.clear()
        world.webui.interrupts_lost = 10**6
        job = world.accept()
        call = invoke(world, job)
        await until(lambda: world.webui.drawings)
        process = world.supervisor.process
        world.store.put_json(keys.cancel(job.id), {})
        assert (await call).body.count(b"canceled") and not process.is_alive

    in_world(test)


def test_a_job_past_its_time_is_expired_at_its_turn(in_world: InWorld) -> None:
    clock = [NOW]

    async def test(world: World) -> None:
        world.webui.gate.clear()
        first, held = world.accept(), world.accept(expires_at=NOW + 10)
        calls = [invoke(world, first)]
        await until(lambda: world.webui.drawings)
        calls.append(invoke(world, held))
        await until(lambda: world.store.progress(held.id))
        clock[0] = NOW + 11
        world.webui.gate.set()
        await asyncio.gather(*calls)
        result = world.store.result(held.id)
        assert result is not None and result.status is Status.EXPIRED and len(world.webui.drawings) == 1

    in_world(test, now=lambda: clock[0])


def test_a_later_attempt_that_is_delivered_here_keeps_the_run_going(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        world.webui.gate.clear()
        job = world.accept()
        calls = [invoke(world, job, 1)]
        await until(lambda: world.webui.drawings)
        world.store.put_json(keys.queued(job.id, 2), Attempt(2, NOW).to_json())
        calls.append(invoke(world, job, 2))
        await until(lambda: (progress := world.store.progress(job.id)) and progress.attempt == 2)
        world.webui.gate.set()
        first, second = await asyncio.gather(*calls)
        assert first.body == second.body and len(world.webui.drawings) == 1

    in_world(test)


def test_a_later_attempt_that_joins_a_run_that_is_giving_way_is_drawn(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(world: World) -> None:
        job = world.accept(attempts=2)
        calls: list[asyncio.Task[Answer]] = []
        loop = asyncio.get_running_loop()
        files = Store.files

        def files_and_deliver(self: Store, job_id: str) -> Any:
            """The second attempt is delivered right after the first one has seen that it exists."""
            seen = files(self, job_id)
            if len(calls) == 1:
                loop.call_soon_threadsafe(lambda: calls.append(invoke(world, job, 2)))
            return seen

        monkeypatch.setattr(Store, "files", files_and_deliver)
        calls.append(invoke(world, job, 1))
        await calls[0]
        await until(lambda: len(calls) >= 2)
        await calls[1]
        assert world.store.result(job.id) is not None and len(world.webui.drawings) == 1

    in_world(test)


def test_two_runs_that_end_at_once_leave_one_ending(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(world: World) -> None:
        job = world.accept()
        end = Store.end

        def end_second(self: Store, result: Result) -> bool:
            end(self, Result(job.id, Status.EXPIRED, NOW))
            return end(self, result)

        monkeypatch.setattr(Store, "end", end_second)
        answer = await invoke(world, job)
        result = world.store.result(job.id)
        assert result is not None and result.status is Status.EXPIRED
        assert answer.status_code == 200 and b"expired" in answer.body

    in_world(test)


def test_a_broken_engine_is_the_containers_failure_and_ends_no_job(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        world.supervisor.broken = EngineBroken("three starts failed")
        job = world.accept()
        with pytest.raises(EngineBroken):
            await invoke(world, job)
        assert world.store.result(job.id) is None and world.container.scheduler.hands == []

    in_world(test)


def test_pictures_that_cannot_be_written_end_no_job(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(world: World) -> None:
        job = world.accept()
        put_bytes = Store.put_bytes

        def put(self: Store, key: str, *rest: Any) -> bool:
            if key.endswith(".png"):
                raise StoreError("S3 is away")
            return put_bytes(self, key, *rest)

        monkeypatch.setattr(Store, "put_bytes", put)
        with pytest.raises(StoreError):
            await invoke(world, job)
        assert world.store.result(job.id) is None

    in_world(test)


def test_an_error_of_our_own_fails_the_job_and_is_logged(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fall(*arguments: Any) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("serve.run_job.fill", fall)

    async def test(world: World) -> None:
        result = await ended(world, world.accept())
        assert result.error is not None and result.error["code"] == "internal_error"
        assert "KeyError" in result.error["message"] and "Traceback" in caplog.text

    in_world(test)


def test_an_engine_that_dies_is_asked_once_more_under_a_new_run(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        world.webui.gate.clear()
        job = world.accept()
        call = invoke(world, job)
        await until(lambda: world.webui.drawings)
        await until(lambda: (progress := world.store.progress(job.id)) and progress.drawing_since)
        first_run = getattr(world.store.progress(job.id), "run", None)
        world.supervisor.process.end(-9)
        world.webui.gate.set()
        await call
        result = world.store.result(job.id)
        assert result is not None and result.status is Status.SUCCEEDED
        assert result.run != first_run and world.supervisor.starts == 2

    in_world(test)


def test_a_connection_that_breaks_as_the_engine_dies_is_a_death(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        def break_off() -> Exception:
            asyncio.get_running_loop().call_later(0.002, world.supervisor.process.end, -11)
            return ConnectionLost("reset")

        world.webui.answers = [break_off]
        result = await ended(world, world.accept())
        assert result.status is Status.SUCCEEDED and world.supervisor.starts == 2

    in_world(test)


def test_a_cancel_during_the_restart_is_seen_before_the_second_drawing(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        world.webui.gate.clear()
        job = world.accept()
        call = invoke(world, job)
        await until(lambda: world.webui.drawings)
        world.store.put_json(keys.cancel(job.id), {})
        world.supervisor.process.end(-9)
        await call
        result = world.store.result(job.id)
        assert result is not None and result.status is Status.CANCELED and len(world.webui.drawings) == 1

    in_world(test, watch_s=60.0)


def test_a_drawing_that_stands_still_is_hung(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        world.webui.gate.clear()
        world.webui.stands_still = True
        result = await ended(world, world.accept())
        assert result.error is not None and result.error["code"] == "engine_hung"
        assert len(world.webui.drawings) == 2 and not world.supervisor.process.is_alive

    in_world(test, stall_timeout_s=0.05)


def test_a_drawing_that_moves_and_takes_too_long_is_hung(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        world.webui.gate.clear()
        assert "0.1 s" in str((await ended(world, world.accept())).error)

    in_world(test, drawing_timeout_s=0.1)


def test_a_heartbeat_that_cannot_be_written_stops_nothing(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_json = Store.put_json

    def put(self: Store, key: str, *rest: Any, **named: Any) -> bool:
        if key.endswith("progress.json"):
            raise StoreError("S3 is slow")
        return put_json(self, key, *rest, **named)

    async def test(world: World) -> None:
        job = world.accept()
        monkeypatch.setattr(Store, "put_json", put)
        assert (await ended(world, job)).status is Status.SUCCEEDED

    in_world(test)


def test_an_upload_that_is_no_picture_is_refused_by_its_field(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        world.store.put_bytes(keys.upload("ann", "b" * 32), b"no picture", "image/png")
        payload = PAYLOAD | {"init_images": [f"upload:{'b' * 32}"]}
        result = await ended(world, world.accept(payload, kind=Kind.IMG2IMG))
        assert result.error is not None and result.error["code"] == "invalid_payload"
        assert "init_images[0]" in result.error["message"]

    in_world(test)


def test_a_pipeline_error_is_what_a_direct_caller_is_told(in_world: InWorld) -> None:
    async def test(world: World) -> None:
        with pytest.raises(PipelineError, match="steps is 0"):
            await answer_invocation(Invocation(b'{"prompt": "x", "steps": 0}', "", 1), world.container)
        assert world.webui.drawings == []

    in_world(test)


def test_a_cancel_while_the_engine_starts_is_seen_before_the_drawing(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(world: World) -> None:
        is_up = asyncio.Event()
        ready = world.supervisor.ready

        async def ready_later() -> Any:
            await is_up.wait()
            return await ready()

        monkeypatch.setattr(world.supervisor, "ready", ready_later)
        job = world.accept()
        call = invoke(world, job)
        await until(lambda: world.store.progress(job.id))
        world.store.put_json(keys.cancel(job.id), {})
        is_up.set()
        await call
        result = world.store.result(job.id)
        assert result is not None and result.status is Status.CANCELED and world.webui.drawings == []

    in_world(test)


@pytest.mark.parametrize("turns_of_the_loop", range(5))
def test_a_heartbeat_that_is_due_just_as_the_job_ends_ends_with_it(
    in_world: InWorld, turns_of_the_loop: int
) -> None:
    async def test(world: World) -> None:
        job = world.accept()
        watch = JobWatch(Hand(job, 1), job, world.container)
        async with asyncio.timeout(5):
            async with watch.beating():
                await until(lambda: world.store.progress(job.id))
                watch.started()
                for _ in range(turns_of_the_loop):
                    await asyncio.sleep(0)

    in_world(test, heartbeat_s=60.0)


def test_an_engine_that_fails_to_tell_its_progress_is_left_to_draw(
    in_world: InWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(world: World) -> None:
        async def refuse() -> EngineProgress:
            raise EngineRefused("the engine answered GET progress with 500: IndexError", 500)

        monkeypatch.setattr(world.supervisor.engine, "progress", refuse)
        world.webui.gate.clear()
        job = world.accept()
        call = invoke(world, job)
        await until(lambda: world.webui.drawings)
        await asyncio.sleep(0.05)
        world.webui.gate.set()
        await call
        result = world.store.result(job.id)
        assert result is not None and result.status is Status.SUCCEEDED
        assert len(world.webui.drawings) == 1 and world.supervisor.recycled == []

    in_world(test)
