"""A hold on a running stack: post jobs, watch them, see what the engine drew and who was told."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from urllib.parse import quote_plus

import boto3
from handlers.reap import reap
from handlers.wiring import Wiring

from webui_async.client import Client, JobView
from webui_async.contract import keys
from webui_async.contract.job import Attempt, Job, Progress
from webui_async.contract.payload import Kind
from webui_async.contract.settings import HandlerSettings, read_settings
from webui_async.local.control_plane import Credentials
from webui_async.local.receiver import Received, Receiver
from webui_async.local.stack import ENDPOINT, ROOT, Stack
from webui_async.retry import Queue

FAULTY = Path(__file__).resolve().parents[1] / "faulty_webui"
#: The installed command `webui-async`, for `python -c`.
COMMAND = "import sys; from webui_async.cli import main; sys.exit(main())"
STEP_S = 0.05
PAYLOAD = {"prompt": "a red star", "seed": 1, "steps": 1, "width": 64, "height": 64}
_T = TypeVar("_T")


def engine_command(name: str = "fixed_delay", delay_s: float = STEP_S, *words: str) -> str:
    """The command of one of tests/faulty_webui, for the container's settings."""
    script = shlex.quote(str(FAULTY / f"{name}.py"))
    return (
        f"{shlex.quote(sys.executable)} {script} --port {{port}} --data-dir {{data_dir}} --delay {delay_s}"
        " --per-step " + " ".join(words)
    )


def eventually(look: Callable[[], _T], timeout_s: float = 20.0) -> _T:
    """What `look` gives once it gives something true."""
    deadline = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing true within {timeout_s} s from {look}"
        time.sleep(0.05)
    return found


@dataclass
class Road:
    """A running stack, a client of it and the receiver of its callbacks."""

    stack: Stack
    client: Client
    receiver: Receiver
    heard: list[Received] = field(default_factory=list)

    def submit(self, steps: int = 1, **order: Any) -> JobView:
        """A job that takes `steps` × STEP_S to draw."""
        payload = PAYLOAD | {"steps": steps}
        return self.client.submit("txt2img", payload, callback_url=self.receiver.url, **order)

    def wait(self, job_id: str, timeout_s: float = 60.0) -> JobView:
        return self.client.wait(job_id, timeout_s)

    def wait_drawing(self, job_id: str) -> None:
        eventually(lambda: self.client.status(job_id).status.value == "processing")

    def callbacks_of(self, job_id: str, settle_s: float = 1.0) -> list[Received]:
        """The job's callbacks: the first one awaited, then all that still come for `settle_s`."""
        eventually(lambda: self._heard_of(job_id))
        time.sleep(settle_s)
        return self._heard_of(job_id)

    def _heard_of(self, job_id: str) -> list[Received]:
        while received := self.receiver.next(0.01):
            self.heard.append(received)
        return [received for received in self.heard if received.body["data"]["id"] == job_id]

    def drawings(self) -> list[dict[str, Any]]:
        """Every start and end of a drawing, by the engines' own logs, oldest first."""
        logs = self.stack.options.work_dir.glob("instances/**/engine.log")
        entries = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
        return sorted(entries, key=lambda entry: float(entry["at"]))

    def serve_pid(self) -> int:
        """The process of the one instance, once it is in service."""
        self.stack.wait_ready()
        pid = self.stack.hosting.instances(ENDPOINT)[-1].pid
        assert pid is not None
        return pid

    def kill_serve(self, job_id: str, attempt: int = 1) -> int:
        """kill -9 of the instance that draws this attempt, once it does; gives its pid."""

        def drawing() -> Progress | None:
            progress = self.stack.store.progress(job_id)
            return progress if progress and progress.drawing_since and progress.attempt == attempt else None

        name = eventually(drawing, 60.0).instance
        (pid,) = (view.pid for view in self.stack.hosting.instances(ENDPOINT) if view.id == name)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        return pid

    @property
    def bucket_uri(self) -> str:
        return f"s3://{self.stack.store.bucket}"

    def models(self, *words: object) -> list[str]:
        """The lines that `webui-async models …` prints, run as the administrator; it has to succeed."""
        plane = self.stack.cloud.plane
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "AWS_ENDPOINT_URL": plane.endpoint_url,
            "AWS_DEFAULT_REGION": plane.region,
            **plane.admin.environment(),
        }
        command = [sys.executable, "-c", COMMAND, "models", *map(str, words)]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def queue(self) -> Queue:
        """SageMaker's queue, as the administrator."""
        return Queue(self.stack.runtime_client(), time.time)

    def invoke_again(self, job_id: str) -> None:
        """SageMaker delivers the first attempt's invocation once more."""
        job, attempt = self.stack.store.job(job_id), self.stack.store.attempt(job_id, 1)
        assert job is not None and attempt is not None
        self.queue().invoke(self.stack.store, job, attempt)

    def plant(self, expires_in_s: float, age_s: float = 0.0, invoke: bool = True, steps: int = 1) -> Job:
        """A job as submit would have written it `age_s` ago, with an expiry that submit does not take."""
        now, store, owner = time.time(), self.stack.store, self.stack.cloud.api_key.id
        job = Job(
            id=keys.new_job_id(now - age_s, secrets.token_bytes(10)),
            kind=Kind.TXT2IMG,
            payload=PAYLOAD | {"steps": steps},
            owner=owner,
            endpoint=ENDPOINT,
            created_at=now - age_s,
            expires_at=now + expires_in_s,
            callback_url=self.receiver.url,
        )
        store.put_mark(keys.active(job.id, owner))
        store.put_mark(keys.index(job.id, owner))
        store.put_json(keys.request(job.id), job.to_json(), if_absent=True)
        attempt = Attempt(1, now - age_s)
        store.put_json(keys.queued(job.id, 1), attempt.to_json(), if_absent=True)
        if invoke:
            self.queue().invoke(store, job, attempt)
        return job

    def reap(self) -> dict[str, int]:
        """What reap did, run now by its own function."""
        (schedule,) = self.stack.cloud.deployed.schedules
        counts: dict[str, int] = self.stack.cloud.run_schedule(schedule)
        return counts

    def reap_later(self, seconds: float) -> dict[str, int]:
        """What reap would do `seconds` from now: its own code, here, under its role, with its clock ahead."""
        cloud = self.stack.cloud
        (function,) = (f for f in cloud.deployed.functions.values() if "reap" in f.handler)
        role = cloud.plane.assume(function.role_arn)

        def make_client(service: str) -> Any:
            is_runtime = service == "sagemaker-runtime"
            return self.runtime_client(role) if is_runtime else cloud.client(service, role)

        settings = read_settings(HandlerSettings, function.environment)
        wiring = Wiring(settings, now=lambda: time.time() + seconds, make_client=make_client)
        return reap(wiring, SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000))

    def runtime_client(self, role: Credentials) -> Any:
        """A boto3 client of SageMaker's runtime that signs as the role."""
        return boto3.client(
            "sagemaker-runtime",
            endpoint_url=self.stack.hosting.url,
            aws_access_key_id=role.access_key_id,
            aws_secret_access_key=role.secret_access_key,
            aws_session_token=role.session_token,
        )

    @contextmanager
    def without_events(self) -> Iterator[None]:
        """S3 tells nobody of what is written in this block."""
        s3, bucket = self.stack.cloud.client("s3"), self.stack.store.bucket
        wiring = s3.get_bucket_notification_configuration(Bucket=bucket)
        wiring.pop("ResponseMetadata")
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
        try:
            yield
        finally:
            s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wiring)

    def tell_again(self, job_id: str) -> None:
        """S3 sends the event of the job's result.json once more."""
        bucket, key = self.stack.outputs["BucketName"], keys.result(job_id)
        event = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "awsRegion": "eu-central-1"}
        record = event | {"s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key)}}}
        self.stack.cloud.client("sqs").send_message(
            QueueUrl=self.stack.outputs["EventsQueueUrl"], MessageBody=json.dumps({"Records": [record]})
        )

    def tell_failure(self, job_id: str, attempt: int) -> None:
        """SageMaker's message that the attempt failed, published to its error topic."""
        message = {
            "invocationStatus": "Failed",
            "failureReason": "ClientError: Received server error (503) from model.",
            "requestParameters": {
                "customAttributes": f"attempt={attempt}",
                "endpointName": ENDPOINT,
                "inputLocation": self.stack.store.uri(keys.request(job_id)),
            },
            "inferenceId": job_id,
            "eventVersion": "1.0",
            "eventSource": "aws:sagemaker",
            "eventName": "InferenceResult",
        }
        topic_arn = self.stack.outputs["ErrorTopicArn"]
        self.stack.cloud.client("sns").publish(TopicArn=topic_arn, Message=json.dumps(message))

    def assert_ended_once(self, job_id: str, status: str, settle_s: float = 1.0) -> None:
        """One ending, one index entry that says so, one genuine callback, nothing left in active/."""
        callbacks = self.callbacks_of(job_id, settle_s)
        assert [(call.webhook_id, call.is_genuine) for call in callbacks] == [
            (f"{job_id}.job.{status}", True)
        ]
        owner, store = self.stack.cloud.api_key.id, self.stack.store
        assert store.exists(keys.index_status(job_id, owner, "txt2img", status))
        eventually(lambda: not store.exists(keys.active(job_id, owner)))

    def assert_all_ended_once(self, job_ids: list[str], status: str) -> None:
        """Each job's ending as in `assert_ended_once`, looked at after the last one was told."""
        for job_id in job_ids:
            self.callbacks_of(job_id, settle_s=0)
        time.sleep(1.0)
        for job_id in job_ids:
            self.assert_ended_once(job_id, status, settle_s=0)
