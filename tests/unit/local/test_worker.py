"""local/worker.py, runtime.py and functions.py: Lambda's ways with a handler."""

import os
import signal
import threading
import time

import pytest

from webui_async.local.deployed import Function
from webui_async.local.errors import FunctionFailed
from webui_async.local.functions import FunctionPool

HANDLERS = """
import os, sys, time

count = 0

def handler(event, context):
    global count
    count += 1
    print("printed", event.get("say", ""))
    if "sleep" in event:
        time.sleep(event["sleep"])
    if "raise" in event:
        raise ValueError(event["raise"])
    if "exit" in event:
        os._exit(event["exit"])
    if "read" in event:
        return sys.stdin.read()
    return {
        "count": count,
        "pid": os.getpid(),
        "size": len(event.get("data", "")),
        "variable": os.environ.get("VARIABLE"),
        "leaked": os.environ.get("LEAKED"),
        "name": context.invoked_function_arn,
        "left_ms": context.get_remaining_time_in_millis(),
        "request": context.aws_request_id,
    }

def unserializable(event, context):
    return object()

def describe(event, context):
    import boto3
    client = boto3.client("sagemaker", "eu-central-1", endpoint_url="http://127.0.0.1:1")
    return client.describe_endpoint(EndpointName=event["endpoint"])
"""


@pytest.fixture
def make_pool(tmp_path, monkeypatch):
    monkeypatch.setenv("LEAKED", "from this machine")
    (tmp_path / "handlers_under_test.py").write_text(HANDLERS)
    pools = []

    def make_pool(name="handlers_under_test.handler", timeout_s=1.0, concurrency=2):
        function = Function("draw", "arn:draw", name, tmp_path, "arn:role", {}, timeout_s)
        pools.append(FunctionPool(function, {"VARIABLE": "value"}, tmp_path / "draw.log", concurrency))
        return pools[-1]

    yield make_pool
    for pool in pools:
        pool.stop()


def test_a_function_gets_its_event_context_and_environment_and_nothing_of_ours(make_pool):
    result = make_pool().invoke({"data": "x" * 300_000})
    assert (result["size"], result["variable"], result["leaked"], result["name"]) == (
        300_000,
        "value",
        None,
        "arn:draw",
    )
    assert 500 < result["left_ms"] <= 1000 and len(result["request"]) == 36


def test_a_worker_is_kept_warm_and_used_by_one_event_at_a_time(make_pool):
    pool = make_pool()
    pool.warm()
    pool.wait_ready()
    assert [pool.invoke({})["count"] for _ in range(3)] == [1, 2, 3]
    threads = [threading.Thread(target=pool.invoke, args=({"sleep": 0.3},)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pool.pids) == 2


def test_what_a_handler_prints_goes_to_its_log_and_nowhere_else(make_pool):
    pool = make_pool()
    assert pool.invoke({"say": "hello"})["count"] == 1
    assert "printed hello" in pool.log_path.read_text()


def test_a_handler_cannot_read_the_events_of_others_from_its_input(make_pool):
    assert make_pool().invoke({"read": True}) == ""


def test_a_handler_that_raises_fails_its_event_and_serves_the_next(make_pool):
    pool = make_pool()
    with pytest.raises(FunctionFailed, match="draw: ValueError: no ink") as failure:
        pool.invoke({"raise": "no ink"})
    assert failure.value.kind == "ValueError"
    assert "Traceback" in pool.log_path.read_text()
    assert pool.invoke({})["count"] == 2


def test_a_handler_that_takes_too_long_is_killed(make_pool):
    pool = make_pool(timeout_s=0.3)
    first = pool.invoke({})["pid"]
    with pytest.raises(FunctionFailed, match=r"timed out after 0\.3 s"):
        pool.invoke({"sleep": 30})
    assert pool.pids == []
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
    assert pool.invoke({})["count"] == 1


def test_a_handler_that_ends_its_process_fails_its_event_and_a_new_one_starts(make_pool):
    pool = make_pool()
    with pytest.raises(FunctionFailed, match="ended with code 3") as failure:
        pool.invoke({"exit": 3})
    assert failure.value.kind == "Runtime.ExitError"
    assert pool.invoke({})["count"] == 1


def test_a_handler_killed_between_events_is_replaced(make_pool):
    pool = make_pool()
    pid = pool.invoke({})["pid"]
    os.kill(pid, signal.SIGKILL)
    while pool.pids:
        time.sleep(0.01)
    assert pool.invoke({})["count"] == 1


def test_a_result_that_is_not_json_is_the_handlers_error(make_pool):
    with pytest.raises(FunctionFailed, match="not JSON serializable"):
        make_pool("handlers_under_test.unserializable").invoke({})


def test_a_request_that_aws_would_refuse_is_the_handlers_error(make_pool):
    with pytest.raises(FunctionFailed, match="Value at 'endpointName' failed to satisfy constraint"):
        make_pool("handlers_under_test.describe").invoke({"endpoint": "not_a_name"})


@pytest.mark.parametrize("name", ["absent.handler", "handlers_under_test.absent"])
def test_a_handler_that_cannot_be_imported_is_told_at_the_start(make_pool, name):
    pool = make_pool(name)
    pool.warm()
    with pytest.raises(FunctionFailed, match="absent"):
        pool.wait_ready()


def test_stopping_ends_every_process_even_at_work(make_pool):
    pool = make_pool(timeout_s=30.0)
    failures = []

    def invoke():
        try:
            pool.invoke({"sleep": 30})
        except FunctionFailed as error:
            failures.append(error)

    thread = threading.Thread(target=invoke)
    thread.start()
    while not pool.pids or not pool.log_path.exists() or "printed" not in pool.log_path.read_text():
        time.sleep(0.01)
    pids = pool.pids
    pool.stop()
    thread.join(5)
    assert len(failures) == 1 and not thread.is_alive()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
