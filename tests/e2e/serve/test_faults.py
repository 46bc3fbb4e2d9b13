"""One fault of the engine each, by a real engine that has it."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable

import pytest

from tests.e2e.serve.harness import PAYLOAD, Container, new_job, wait_for
from webui_async.contract.job import Job, Result, Status

Start = Callable[..., Container]


def job_with(checkpoint: str, prompt: str = "a red boat") -> Job:
    return new_job(PAYLOAD | {"prompt": prompt, "override_settings": {"sd_model_checkpoint": checkpoint}})


def result_of(container: Container, job: Job) -> Result:
    result = container.store.result(job.id)
    assert result is not None, container.log
    return result


def engines(container: Container) -> list[int]:
    """The engine of each drawing, as its process id."""
    return [entry["pid"] for entry in container.drawings()]


def test_an_engine_killed_while_drawing_is_started_again_and_the_job_drawn(start: Start) -> None:
    container = start(flags="--delay 0.8").wait_ready()
    job = container.accept(new_job())
    call = container.invoke(job)
    container.wait_drawing()
    first_run = wait_for(lambda: container.store.progress(job.id)).run
    os.kill(container.engine_process().pid, signal.SIGKILL)
    assert len(call.answer().json()["images"]) == 1
    result = container.store.result(job.id)
    assert result is not None and result.status is Status.SUCCEEDED and result.run != first_run
    assert len({entry["pid"] for entry in container.drawings()}) == 2


def test_an_engine_that_dies_twice_fails_the_job_and_draws_the_next(start: Start) -> None:
    container = start("dies_while_drawing.py", "--times 2").wait_ready()
    job, next_job = container.accept(new_job()), container.accept(new_job())
    call = container.invoke(job)
    wait_for(container.drawings)  # its drawing has begun, so it is the first
    next_call = container.invoke(next_job)
    answer = call.answer()
    assert answer.status_code == 200 and answer.json()["status"] == "failed"
    error = answer.json()["error"]
    assert error["code"] == "engine_died" and error["retryable"] and "signal 9" in error["message"]
    assert "a last line before the end" in container.log
    assert len(next_call.answer().json()["images"]) == 1


def test_an_engine_that_dies_idle_is_started_again(start: Start) -> None:
    container = start().wait_ready()
    first = container.engine_process().pid
    os.kill(first, signal.SIGKILL)
    assert container.draw(new_job()).status_code == 200
    assert container.engine_process().pid != first


def test_a_slow_restart_of_the_engine_does_not_cost_the_container(start: Start) -> None:
    container = start("slow_start.py", "--start-delay 2").wait_ready()
    os.kill(container.engine_process().pid, signal.SIGKILL)
    pings = {container.ping() for _ in range(20) if time.sleep(0.05) is None}
    assert pings == {200}, "SageMaker replaces an instance whose /ping fails"
    assert container.draw(new_job()).status_code == 200


def test_an_engine_that_hangs_is_started_again_and_the_job_drawn(start: Start) -> None:
    container = start("hangs.py", stall_timeout_s=1).wait_ready()
    job = new_job()
    container.draw(job)
    result = container.store.result(job.id)
    assert result is not None and result.status is Status.SUCCEEDED and len(container.drawings()) == 2


def test_a_drawing_that_hangs_twice_fails_the_job(start: Start) -> None:
    container = start("hangs.py", "--times 2", drawing_timeout_s=0.7).wait_ready()
    assert container.draw(new_job()).json()["error"]["code"] == "engine_hung"


@pytest.mark.parametrize(
    ("engine", "code", "words"),
    [
        ("answers_html.py", "engine_reply", "text/html"),
        ("answers_truncated_json.py", "engine_reply", "not JSON"),
        ("breaks_off.py", "engine_reply", "connection"),
        ("answers_500.py", "engine_refused", "RuntimeError"),
    ],
)
def test_an_answer_that_is_no_drawing_fails_the_job_and_not_the_container(
    start: Start, engine: str, code: str, words: str
) -> None:
    container = start(engine).wait_ready()
    answer = container.draw(new_job())
    error = answer.json()["error"]
    assert answer.status_code == 200 and error["code"] == code and words in error["message"]
    assert len(error["message"]) <= 500 and PAYLOAD["prompt"] not in error["message"]
    assert container.ping() == 200 and container.draw(new_job()).json()["images"]
    assert len(set(engines(container))) == 1, "an engine that draws is not started anew"


def test_an_engine_that_fails_whatever_it_is_given_is_started_anew_and_the_job_drawn(start: Start) -> None:
    container = start("answers_500.py", "--times 2").wait_ready()  # the job, and the drawing that asks why
    job = new_job()
    assert container.draw(job).json()["images"] and result_of(container, job).status is Status.SUCCEEDED
    assert container.ping() == 200 and len(set(engines(container))) == 2


def test_an_engine_that_hangs_after_an_error_is_started_anew_and_the_job_drawn(start: Start) -> None:
    container = start("hangs_after_an_error.py", "--times 2", stall_timeout_s=1).wait_ready()
    job = new_job()
    assert container.draw(job).json()["images"] and result_of(container, job).status is Status.SUCCEEDED
    assert container.ping() == 200 and len(set(engines(container))) == 2


def test_an_engine_poisoned_by_a_bad_file_is_started_anew_before_the_next_job(start: Start) -> None:
    container = start("poisoned_after_a_bad_file.py", checkpoints=("ink", "torn")).wait_ready()
    bad, good = container.accept(job_with("torn")), container.accept(job_with("ink", "a new prompt"))
    bad_call = container.invoke(bad)
    wait_for(container.drawings)  # its drawing has begun, so it is the first
    good_call = container.invoke(good)
    error = bad_call.answer().json()["error"]
    assert error["code"] == "engine_refused" and "SafetensorError" in error["message"]
    assert good_call.answer().json()["images"] and result_of(container, good).warnings == ()
    first, second = engines(container)
    assert first != second and container.ping() == 200 and "'torn'" in container.log


def test_an_engine_that_keeps_the_wrong_checkpoint_is_told_of_and_started_anew(start: Start) -> None:
    container = start("keeps_the_wrong_checkpoint.py", checkpoints=("ink", "oil")).wait_ready()
    jobs = [job_with("oil") for _ in range(2)]
    for job in jobs:
        assert container.draw(job).json()["images"]
    wrong, right = (result_of(container, job) for job in jobs)
    assert wrong.status is Status.SUCCEEDED and right.warnings == ()
    assert wrong.warnings == (
        "override_settings.sd_model_checkpoint asked for 'oil', and the engine used 'ink'",
    )
    assert [entry["checkpoint"] for entry in container.drawings("end")] == ["ink", "oil"]
    assert len(set(engines(container))) == 2 and container.ping() == 200


def test_an_engine_that_leaks_memory_is_started_anew_between_jobs(start: Start) -> None:
    leak_bytes, limit = 60_000_000, 150_000_000
    container = start(
        "leaks_memory.py", f"--leak-bytes {leak_bytes}", engine_max_rss_bytes=limit
    ).wait_ready()
    jobs = [container.accept(new_job()) for _ in range(6)]
    calls = [container.invoke(job) for job in jobs]
    assert all(call.answer().json()["images"] for call in calls)
    drawn = engines(container)
    assert len(drawn) == len(jobs), "each job is drawn once"
    assert max(drawn.count(pid) for pid in drawn) <= limit // leak_bytes + 1
    assert container.ping() == 200 and "bytes of memory" in container.log


def test_an_engine_that_has_switched_often_is_started_anew_between_jobs(start: Start) -> None:
    container = start(checkpoints=("ink", "oil"), engine_max_switches=2).wait_ready()
    names = ["oil", "ink", "oil", "ink"]
    for name in names:
        assert container.draw(job_with(name)).json()["images"]
    drawn = container.drawings("end")
    assert [entry["checkpoint"] for entry in drawn] == names
    first, second, third, _ = (entry["pid"] for entry in drawn)
    assert first == second != third and container.ping() == 200


def test_many_jobs_in_hand_are_few_requests_in_the_engine(start: Start) -> None:
    """Forty of them starve the webui's own /progress."""
    container = start(flags="--delay 0.3").wait_ready()
    calls = [container.invoke(container.accept(new_job())) for _ in range(8)]
    assert all(call.answer().json()["images"] for call in calls)
    assert max(entry["in_hand"] for entry in container.drawings("end")) <= 2


def test_an_engine_that_refuses_a_direct_invocation_is_a_server_error(start: Start) -> None:
    answer = start("answers_500.py").wait_ready().invoke_direct(PAYLOAD).answer()
    assert (answer.status_code, answer.json()["code"]) == (502, "engine_refused")


def test_ping_says_no_until_a_slow_engine_draws(start: Start) -> None:
    container = start("slow_start.py", "--start-delay 1.5")
    began = time.monotonic()
    wait_for(lambda: container.ping() == 503)
    container.wait_ready()
    assert time.monotonic() - began > 1


def test_an_engine_whose_port_opens_before_its_checkpoint_is_loaded_is_not_asked_to_draw(
    start: Start,
) -> None:
    container = start("loads_late.py", "--start-delay 1.5")
    wait_for(lambda: container.ping() == 503)
    container.wait_ready()
    assert "failed" not in container.log and "start 1" not in container.log
    assert container.draw(new_job()).json()["images"] and len(set(engines(container))) == 1


def test_an_engine_that_dies_at_start_breaks_the_container_and_ends_no_job(start: Start) -> None:
    container = start("dies_at_start.py", max_restarts=2)
    wait_for(lambda: container.ping() == 503)
    job = container.accept(new_job())
    answer = container.invoke(job).answer()
    assert (answer.status_code, answer.json()["code"]) == (503, "engine_broken")
    assert answer.json()["job_id"] == job.id and "libcuda.so.1" in answer.json()["detail"]
    assert container.store.result(job.id) is None and container.ping() == 503
    assert container.stop() == 0


def test_an_engine_that_does_not_get_ready_in_time_breaks_the_container(start: Start) -> None:
    container = start("slow_start.py", "--start-delay 60", startup_timeout_s=0.5, max_restarts=1)
    answer = container.wait_listening().invoke_direct(PAYLOAD).answer()
    assert answer.status_code == 503 and "within 0.5 s" in answer.json()["detail"]


def test_an_engine_port_that_is_taken_is_said(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        container = start(engine_port=taken.getsockname()[1], max_restarts=1)
        answer = container.wait_listening().invoke_direct(PAYLOAD).answer()
    assert answer.status_code == 503 and "WEBUI_ASYNC_ENGINE_PORT" in answer.json()["detail"]


def test_a_bucket_that_cannot_be_reached_leaves_the_job_to_another_attempt(start: Start) -> None:
    container = start(bucket="nowhere").wait_ready()
    job = new_job()
    answer = container.invoke(job).answer()
    assert (answer.status_code, answer.json()["code"]) == (503, "store_error")
    assert "the catalog was not written" in container.log
