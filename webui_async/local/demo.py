"""`make demo`: one job through the whole road. `make up`: the same stack, left running."""

from __future__ import annotations

import importlib.util
import json
import shlex
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from webui_async.client import Client, JobView
from webui_async.local.errors import StackError
from webui_async.local.receiver import Received, Receiver
from webui_async.local.stack import Options, Stack

#: A stock txt2img body, as people have it.
PAYLOAD = {
    "prompt": "a red star on a blue background",
    "negative_prompt": "",
    "seed": 7,
    "steps": 30,
    "cfg_scale": 7,
    "width": 512,
    "height": 512,
    "sampler_name": "Euler a",
}
WAIT_S = 300.0
#: What only our child processes import: missing there, it would be a trace in some log.
_CHILDREN_NEED = (
    "moto", "aws_lambda_powertools", "torch", "diffusers", "transformers", "safetensors", "PIL", "numpy",
)  # fmt: skip
QUEUE = "demo-endings"
UP_PORT = 8765
#: Progress is written more often than on AWS, so that a fast machine shows it too.
CONTAINER = {"heartbeat_s": "0.4"}


@dataclass
class Stations:
    """Prints each station when it is reached: seconds since the start, seconds since the last one."""

    started: float
    last: float

    @classmethod
    def begin(cls) -> Stations:
        now = time.monotonic()
        return cls(now, now)

    def reach(self, text: str) -> None:
        now = time.monotonic()
        tqdm.write(f"{now - self.started:7.2f} s  +{now - self.last:5.2f} s  {text}")
        self.last = now


def run_demo(models: Path, out: Path, port: int) -> int:
    """0 once the picture is saved and both roads told of the ending. Raises PipelineError otherwise."""
    _check_installed()
    stations = Stations.begin()
    with tempfile.TemporaryDirectory(prefix="webui-async-") as work, Receiver() as receiver:
        parameters = {"CallbackAllowHosts": receiver.host}
        options = Options(Path(work), models, port=port, parameters=parameters, container=CONTAINER)
        with Stack(options) as stack:
            stations.reach("cloud: bucket, queues, topics, roles, API as in template.yaml; five functions")
            told = _Topic(stack)
            receiver.secrets = [stack.callback_secret()]
            stack.wait_ready()
            stations.reach("endpoint in service: engine started, checkpoint loaded, warm-up drawn")
            saved = _draw(stack.client(), told, receiver, stations, out)
    print(f"\npicture: {saved.resolve()}")
    print("try it yourself: `make up` starts this stack and prints its KEY, then\n")
    print(_how_to_try(f"http://127.0.0.1:{UP_PORT}/v1", "KEY"))
    return 0


def _check_installed() -> None:
    """Raises ModuleNotFoundError for a package that is missing, before anything is started."""
    for name in _CHILDREN_NEED:
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _draw(client: Client, told: _Topic, receiver: Receiver, stations: Stations, out: Path) -> Path:
    job = client.submit("txt2img", PAYLOAD, callback_url=receiver.url)
    stations.reach(f"accepted: POST /jobs answered 202 with job {job.id}")
    job, fractions = _follow(client, job.id)
    shown = ", ".join(f"{fraction:.0%}" for fraction in fractions)
    stations.reach(f"drawn: progress read from the API at {shown}")
    if len(fractions) < 3:
        raise StackError(f"only {len(fractions)} different fractions were read while job {job.id} was drawn")
    told.wait_for(job.id)
    stations.reach("told: result.json → S3 event → SQS → complete → SNS topic")
    _check_callback(receiver.next(WAIT_S), job.id)
    stations.reach("called back: signature verified with the owner's secret")
    saved = client.download(job, out)[0]
    stations.reach(f"saved: {saved}")
    return saved


def _follow(client: Client, job_id: str) -> tuple[JobView, list[float]]:
    """The job once it succeeded, and the different fractions that the API told of on the way."""
    fractions: list[float] = []
    with tqdm(
        total=100, unit="%", bar_format="  drawing {bar} {n:3.0f} %", leave=False, ascii=" ▏▎▍▌▋▊▉█"
    ) as bar:

        def see(view: JobView) -> None:
            fraction = view.progress["fraction"] if view.progress else 0.0
            if fraction and fraction not in fractions:
                fractions.append(fraction)
                bar.n = 100 * fraction
                bar.refresh()

        job = client.wait(job_id, timeout_s=WAIT_S, on_progress=see)
    if job.error:
        raise StackError(f"job {job.id} ended {job.status.value}: {job.error['message']}")
    return job, fractions


def _check_callback(received: Received | None, job_id: str) -> None:
    if received is None:
        raise StackError(f"no callback of job {job_id} came within {WAIT_S:g} s")
    if not received.is_genuine or received.body["data"]["id"] != job_id:
        raise StackError(f"the callback {received.webhook_id} of job {job_id} is not genuine")


class _Topic:
    """A queue of our own on the topic of endings: the road that S3 events start."""

    def __init__(self, stack: Stack):
        self._sqs = stack.cloud.client("sqs")
        self._queue_url = self._sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
        topic_arn = stack.outputs["EndingsTopicArn"]
        queue_arn = topic_arn.replace(":sns:", ":sqs:").rpartition(":")[0] + f":{QUEUE}"
        self._let_in(topic_arn, queue_arn)
        stack.cloud.client("sns").subscribe(
            TopicArn=topic_arn,
            Protocol="sqs",
            Endpoint=queue_arn,
            Attributes={"RawMessageDelivery": "true"},
        )

    def _let_in(self, topic_arn: str, queue_arn: str) -> None:
        """The topic may send to the queue: without this, SNS drops its messages, here as on AWS."""
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue_arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._sqs.set_queue_attributes(QueueUrl=self._queue_url, Attributes={"Policy": policy})

    def wait_for(self, job_id: str) -> None:
        """Until the topic told that the job ended. Raises StackError when it never does."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            answer = self._sqs.receive_message(QueueUrl=self._queue_url, WaitTimeSeconds=2)
            if any(json.loads(message["Body"])["job_id"] == job_id for message in answer.get("Messages", ())):
                return
        raise StackError(f"the topic of endings did not tell of job {job_id} within {WAIT_S:g} s")


def _how_to_try(api_url: str, key: str) -> str:
    body = json.dumps({name: PAYLOAD[name] for name in ("prompt", "seed", "steps", "width", "height")})
    header = shlex.quote(f"x-api-key: {key}")
    return (
        f"  curl --location --header {header} \\\n"
        f"       --json {shlex.quote(body)} \\\n"
        f"       {api_url}/sdapi/v1/txt2img\n\n"
        f"  curl --header {header} {api_url}/jobs\n"
        f"  {api_url}/docs    {api_url}/health    {api_url}/openapi.json"
    )


def run_up(models: Path, out: Path, port: int) -> int:
    """0 after Ctrl-C. The logs stay in `out`/logs."""
    _check_installed()
    print("starting; Ctrl-C stops everything", flush=True)
    with Stack(Options(out.resolve() / "stack", models, port=port)) as stack:
        stack.wait_ready()
        try:
            print(f"\nup at {stack.api_url}; logs are in {stack.options.work_dir}\n")
            print(_how_to_try(stack.api_url, stack.cloud.api_key.value), flush=True)
            threading.Event().wait()
        except KeyboardInterrupt:
            print("\nstopping")
    return 0
